"""`scripts/reliability` has a row for every promise, and every row names tests that exist."""

from __future__ import annotations

import ast
import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("reliability", str(ROOT / "scripts" / "reliability"))
    spec = spec_from_loader("reliability", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_promise_of_one_process_has_a_row(script: ModuleType) -> None:
    numbers = [number for number, *_ in script.PROMISES]
    assert numbers == [f"P{number}" for number in range(1, 27) if number not in (13, 14)]


def test_every_row_names_tests_that_exist(script: ModuleType) -> None:
    for number, *_, tests in script.PROMISES:
        for test in tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).exists(), (number, test)
            if name:
                functions = {
                    node.name
                    for node in ast.walk(ast.parse((ROOT / path).read_text()))
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                }
                assert name in functions, (number, test)


def test_a_test_that_failed_or_did_not_run_is_written_and_counted(script: ModuleType) -> None:
    found = {}
    for *_, tests in script.PROMISES:
        for test in tests:
            found[test if "::" in test else f"{test}::test_x"] = [(True, 3)]
    rows, failures = script.table(found)
    assert failures == 0
    assert all(re.search(r"\| [\d,]+ \|$", row) for row in rows)
    first = script.PROMISES[4][-1][0]
    broken = {**found, f"{first}::test_x": [(True, 3), (False, 1)]}
    rows, failures = script.table(broken)
    assert failures == 1
    assert rows[4].endswith("| 4, **1 of 2 tests failed** |")
    missing = script.PROMISES[2][-1][0]
    rows, failures = script.table({name: cases for name, cases in found.items() if name != missing})
    assert failures == 1
    assert f"**not run: {missing}**" in rows[2]


def test_some_promises_alone_renew_their_rows(script: ModuleType) -> None:
    page = "# Page\n\n| | promise |\n|---|---|\n| P1 | one | 1 |\n| P22 | old | 2 |\n\nFailed: none.\n"
    page = script.renewed(page, ["| P22 | new | 3 |", "| P3 | three | **1 failed** |"], 5, 7)
    assert page == (
        "# Page\n\n| | promise |\n|---|---|\n"
        "| P1 | one | 1 |\n| P3 | three | **1 failed** |\n| P22 | new | 3 |\n\n"
        "Rows P22, P3: `scripts/reliability --only P22 P3 --tries 5 --seed 7`. 1 of them failed.\n\n"
        "Failed: none.\n"
    )
    again = script.renewed(page, ["| P22 | newer | 3 |", "| P3 | three | 1 |"], 5, 8)
    assert again.count("Rows P22, P3:") == 1
    assert "| P22 | newer | 3 |" in again
    assert again.count("\n") == page.count("\n")
    one = script.renewed(again, ["| P22 | newest | 4 |"], 5, 9)
    assert [line for line in one.splitlines() if line.startswith("Rows ")] == [
        "Rows P22: `scripts/reliability --only P22 --tries 5 --seed 9`.",
        "Rows P3: `scripts/reliability --only P22 P3 --tries 5 --seed 8`.",
    ]


def test_the_section_of_the_soak_is_preserved(script: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    assert script.soaked(page) == "<!-- soak --><!-- /soak -->\n"
    page.write_text("above\n<!-- soak -->\n## Soak\n<!-- /soak -->\nbelow\n")
    assert script.soaked(page) == "<!-- soak -->\n## Soak\n<!-- /soak -->\n"
