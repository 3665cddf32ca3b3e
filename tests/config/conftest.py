"""Every test of configurations runs on a machine without settings of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, no environment variables; returns the home folder."""
    for name in ("DATA", "RUNS", "PRESETS", "CACHE"):
        monkeypatch.delenv(f"WMSE_TUI_{name}", raising=False)
    for name in ("DATA", "CONFIG", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def own_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's presets, empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(folder))
    return folder
