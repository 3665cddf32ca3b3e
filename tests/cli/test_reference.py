"""The tables for docs/reference.md name every exit code, environment variable and setting there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import wmse_tui
from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.reference import FOLDERS, SETTINGS, exit_code_rows, tables
from wmse_tui.config import locations
from wmse_tui.tui.settings import VARIABLES, Settings


def test_every_variable_that_the_source_names_is_in_a_table() -> None:
    package = Path(wmse_tui.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    named = set(re.findall(r"WMSE_TUI_[A-Z]+", source))
    assert named == {row[0] for row in FOLDERS} | set(VARIABLES.values())
    assert all(f"`{name}`" in tables()["folders"] + tables()["settings"] for name in named)


def test_the_defaults_are_those_of_a_home_without_xdg_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    paths = {
        "WMSE_TUI_RUNS": locations.runs_dir,
        "WMSE_TUI_DATA": locations.data_dir,
        "WMSE_TUI_PRESETS": locations.user_presets_dir,
        "WMSE_TUI_SETTINGS": locations.settings_file,
        "WMSE_TUI_CACHE": locations.cache_dir,
        "WMSE_TUI_QUEUE": locations.queue_dir,
    }
    for variable, _, _, default in FOLDERS:
        monkeypatch.delenv(variable, raising=False)
        assert str(paths[variable]()) == default.replace("~", "/home/somebody"), variable


def test_every_setting_and_every_exit_code_has_a_row() -> None:
    assert list(SETTINGS) == list(Settings.model_fields)
    assert [row[0] for row in exit_code_rows()][1:] == [str(int(code)) for code in ExitCode]
    assert all(text.startswith("| ") and text.endswith(" |\n") for text in tables().values())
