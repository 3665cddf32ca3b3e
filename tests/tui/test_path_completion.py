"""Paths are completed from what is on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.tui.path_completion import completion


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("images-a", "images-b", "runs", ".hidden", "with\nbreak"):
        (tmp_path / name).mkdir()
    (tmp_path / "runs.yaml").write_text("")
    (tmp_path / "other").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_what_all_matches_share_is_added_then_the_first_of_them(folder: Path) -> None:
    assert completion(f"{folder}/i") == f"{folder}/images-"
    assert completion(f"{folder}/images-") == f"{folder}/images-a/"
    assert completion("ot") == "other"
    assert completion("~/ot") == "~/other"
    assert completion(f"{folder}/.h") == f"{folder}/.hidden/"


def test_folders_alone_where_a_folder_is_wanted(folder: Path) -> None:
    assert completion(f"{folder}/r") == f"{folder}/runs"
    assert completion(f"{folder}/r", folders=True) == f"{folder}/runs/"
    assert completion(f"{folder}/ot", folders=True) is None


@pytest.mark.parametrize("text", ["", "/none/x", "x\0y", "zzz", "~nobody-here/x", "with"])
def test_nothing_is_suggested_where_nothing_fits(folder: Path, text: str) -> None:
    assert completion(text) is None
