"""The worked example of docs/contributing.md is in the files that it names, line by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
STEPS = re.findall(r"^### \d\. `(\S+\.py)`.*?\n(.*?)(?=^### )", GUIDE, flags=re.MULTILINE | re.DOTALL)


def test_the_example_shows_options_loss_and_method() -> None:
    assert [Path(name).parent.name for name, _ in STEPS] == ["methods", "losses", "methods"]
    assert all("```python" in text for _, text in STEPS)


@pytest.mark.parametrize(("name", "text"), STEPS, ids=[name for name, _ in STEPS])
def test_every_line_of_an_excerpt_is_in_its_file_in_this_order(name: str, text: str) -> None:
    remaining = iter((ROOT / name).read_text(encoding="utf-8").splitlines())
    for excerpt in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        for line in filter(None, excerpt.splitlines()):
            assert any(found.startswith(line) for found in remaining), f"{name} has no line `{line}` there"


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:wmse_tui|tests|presets|engine|config|scripts)/[\w./-]+)`", GUIDE)
    assert len(named) > 8
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "wmse_tui" / name).exists(), name


def test_the_method_of_the_example_is_in_no_other_file() -> None:
    """So a new method needs no other file; the advice may mention it."""
    index = {f"wmse_tui/{package}/__init__.py" for package in ("config/methods", "engine/losses")}
    allowed = {name for name, _ in STEPS} | index | {"wmse_tui/config/advice.py"}
    found = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "wmse_tui").rglob("*.py")
        if re.search(r"barlow_?twins", file.read_text(encoding="utf-8"), flags=re.IGNORECASE)
    }
    assert found <= allowed
    assert found >= allowed - {"wmse_tui/config/advice.py"}
