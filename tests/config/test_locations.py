"""Which folder is meant, by variables, XDG and home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wmse_tui.config import locations
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.locations import cache_dir, data_dir, expanded, runs_dir, user_presets_dir


def test_without_variables_every_folder_is_the_xdg_default(bare_machine: Path) -> None:
    assert data_dir() == bare_machine / ".local/share/wmse-tui/data"
    assert runs_dir() == bare_machine / ".local/share/wmse-tui/runs"
    assert user_presets_dir() == bare_machine / ".config/wmse-tui/presets"
    assert cache_dir() == bare_machine / ".cache/wmse-tui"


def test_xdg_variables_move_the_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    monkeypatch.setenv("XDG_CACHE_HOME", "/k")
    assert (data_dir(), runs_dir()) == (Path("/d/wmse-tui/data"), Path("/d/wmse-tui/runs"))
    assert user_presets_dir() == Path("/c/wmse-tui/presets")
    assert cache_dir() == Path("/k/wmse-tui")


def test_a_relative_xdg_variable_is_ignored(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "d")
    assert data_dir() == bare_machine / ".local/share/wmse-tui/data"


def test_the_projects_own_variables_override_xdg(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    monkeypatch.setenv("WMSE_TUI_DATA", "/scratch/data")
    monkeypatch.setenv("WMSE_TUI_RUNS", "~/runs")
    monkeypatch.setenv("WMSE_TUI_PRESETS", "presets")
    monkeypatch.setenv("WMSE_TUI_CACHE", "/k")
    monkeypatch.chdir(tmp_path)
    assert data_dir() == Path("/scratch/data")
    assert runs_dir() == bare_machine / "runs"
    assert user_presets_dir() == tmp_path / "presets"
    assert cache_dir() == Path("/k")


def test_an_empty_variable_counts_as_unset(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WMSE_TUI_RUNS", "")
    monkeypatch.setenv("XDG_DATA_HOME", "")
    assert runs_dir() == bare_machine / ".local/share/wmse-tui/runs"


def test_the_home_of_an_unknown_user_is_an_ordinary_folder(tmp_path: Path) -> None:
    assert expanded(Path("~nobody-of-that-name/a"), tmp_path) == tmp_path / "~nobody-of-that-name/a"


NO_HOME = """
import pwd
def missing(number): raise KeyError(number)
pwd.getpwuid = missing
from wmse_tui.config import locations
print(locations.has_home(), locations.home(), locations.runs_dir(), locations.cache_dir(), sep="\\n")
"""


def test_a_user_without_a_home_has_a_private_folder(tmp_path: Path) -> None:
    environ = {"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}

    def ask() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", NO_HOME], env=environ, text=True, capture_output=True, check=False
        )

    folder = tmp_path / f"wmse-tui-{os.getuid()}"
    lines = ask().stdout.splitlines()
    runs, cache = folder / ".local/share/wmse-tui/runs", folder / ".cache/wmse-tui"
    assert lines == ["False", str(folder), str(runs), str(cache)]
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert f"belongs to another user; set HOME: '{folder}'" in ask().stderr


def test_a_deleted_working_directory_matters_only_to_relative_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert locations.expanded(tmp_path) == tmp_path
    assert locations.working_dir() == locations.home()
    with pytest.raises(FileNotFoundError, match="is relative to a working directory"):
        locations.expanded(Path("x"))
    assert load_experiment(preset="quickstart", overrides=(f"dataset.root={tmp_path}",)).dataset.root
    with pytest.raises(FileNotFoundError, match="relative to a working directory"):
        load_experiment(preset="quickstart", overrides=("dataset.root=images",))


def test_compiled_code_is_in_a_private_folder(
    bare_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is executed: a cache that several users share holds none, nor a folder that others may write."""
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "shared"))
    before = os.umask(0)
    try:
        folder = locations.compiled_dir()
    finally:
        os.umask(before)
    assert folder == bare_machine / ".cache/wmse-tui/compiled"
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent, folder.parent.parent)] == [
        0o700
    ] * 3
    folder.chmod(0o770)
    first, second = locations.compiled_dir(), locations.compiled_dir()
    assert len({folder, first, second}) == 3
    assert first.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert locations.compiled_dir() != folder
