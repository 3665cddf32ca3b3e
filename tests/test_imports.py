"""What each package loads and imports: a light command line, a trainer without an interface, no circles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

HEAVY = ("torch", "torchvision", "textual", "plotext", "numpy", "PIL")
RICH = "rich.console"  # some versions of typer load the bare package, which costs nothing
INTERFACE = ("typer", "rich", "click", "textual", "plotext")

RUN_AND_REPORT = """
import atexit, json, sys
atexit.register(lambda: sys.stderr.write("\\n" + json.dumps(sorted(sys.modules))))
sys.argv = ["wmse-tui", *{arguments!r}]
from wmse_tui.cli.main import main
main()
"""


def loaded_by(program: str, tmp_path: Path) -> set[str]:
    """What is in `sys.modules` when the program has ended: modules, and the packages they belong to."""
    environment = {**os.environ, "HOME": str(tmp_path), "WMSE_TUI_RUNS": str(tmp_path / "runs")}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    names: list[str] = json.loads(done.stderr.splitlines()[-1])
    return {*names, *(name.partition(".")[0] for name in names)}


@pytest.fixture
def a_run(tmp_path: Path) -> None:
    """A run in the folder that the commands read."""
    from wmse_tui.config.loading import dump_experiment, load_experiment
    from wmse_tui.runs.directory import create_run

    create_run(tmp_path / "runs", dump_experiment(load_experiment(preset="quickstart")), name="a")


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (("--help",), (*HEAVY, RICH, "pydantic", "yaml")),
        (("run", "--help"), (*HEAVY, RICH, "yaml")),  # typer itself may load pydantic to read options
        (("--version",), (*HEAVY, RICH, "pydantic", "yaml")),
        (("presets",), (*HEAVY, RICH)),
        (("presets", "show", "stl10"), (*HEAVY, RICH)),
        (("config", "schema"), (*HEAVY, RICH)),
        (("runs",), (*HEAVY, RICH, "wmse_tui.config.schema")),
        (("show", "a"), (*HEAVY, RICH)),
        (("logs", "a"), (*HEAVY, RICH)),
        (("compare", "a", "a", "--format", "latex"), (*HEAVY, RICH)),
        (("tag", "a"), (*HEAVY, RICH)),
    ],
    ids=lambda value: " ".join(value) if value and value[0] not in HEAVY else "",
)
def test_a_command_that_only_reads_loads_nothing_heavy(
    arguments: tuple[str, ...], forbidden: tuple[str, ...], a_run: None, tmp_path: Path
) -> None:
    assert not loaded_by(RUN_AND_REPORT.format(arguments=arguments), tmp_path) & set(forbidden)


def imports_of(modules: str, tmp_path: Path) -> set[str]:
    """What importing the modules loads."""
    report = "import json, sys; sys.stderr.write(chr(10) + json.dumps(sorted(sys.modules)))"
    return loaded_by(f"import {modules}\n{report}", tmp_path)


def test_what_computes_loads_no_interface(tmp_path: Path) -> None:
    """The trainer, the evaluator, the doctor, and what the inspector imports when it is asked."""
    modules = [
        *("training.session", "evaluation.checkpoint_evaluation", "doctor"),
        *("service.describe", "service.measure", "service.view_previews"),
    ]
    loaded = imports_of(", ".join(f"wmse_tui.engine.{module}" for module in modules), tmp_path)
    assert "torch" in loaded
    assert not loaded & set(INTERFACE)


def test_the_inspector_starts_without_torch_and_interface(tmp_path: Path) -> None:
    started = imports_of("wmse_tui.engine.inspect, wmse_tui.engine.service.server", tmp_path)
    assert not started & {*HEAVY, *INTERFACE}


def test_the_client_of_the_inspector_loads_no_torch(tmp_path: Path) -> None:
    loaded = imports_of("wmse_tui.tui.inspector", tmp_path)
    assert "textual" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "PIL", "wmse_tui.engine"}


@pytest.mark.parametrize("package", ["config", "runs"])
def test_every_module_of_the_lower_packages_stays_light(
    package: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    folder = pytestconfig.rootpath / "wmse_tui" / package
    files = [path.relative_to(pytestconfig.rootpath).with_suffix("") for path in folder.rglob("*.py")]
    modules = [".".join(file.parts).removesuffix(".__init__") for file in sorted(files)]
    assert len(modules) > 10
    assert not imports_of(", ".join(modules), tmp_path) & {*HEAVY[:4], *INTERFACE}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports under TYPE_CHECKING and in functions count: they are dependencies of a reader all the same."""
    graph = grimp.build_graph("wmse_tui", cache_dir=None)
    order = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
