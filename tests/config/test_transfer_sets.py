"""From the texts of `--transfer` to sets and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.problems import ConfigError
from wmse_tui.config.transfer_sets import TRANSFER_SETS, fine_tune_percents, transfer_sets


def test_names_and_folders_in_their_order_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my images").mkdir()
    monkeypatch.chdir(tmp_path)
    found = transfer_sets(["patterns, my images", "cifar10,patterns"])
    assert [one.name for one in found] == ["patterns", str(tmp_path / "my images"), "cifar10"]
    assert [one.folder for one in found] == [False, True, False]
    assert found[1].title == "my images"


def test_a_set_comes_before_a_folder_of_its_name_and_a_comma_may_be_part_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "a,b").mkdir()
    monkeypatch.chdir(tmp_path)
    found = transfer_sets(["cifar10", "./cifar10", "a,b"])
    assert [one.name for one in found] == ["cifar10", str(tmp_path / "cifar10"), str(tmp_path / "a,b")]


def test_every_unknown_name_is_reported_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        transfer_sets(["cifr10,patterns,", str(tmp_path / "file"), "a\0b"])
    texts = [problem.text() for problem in caught.value.problems]
    assert len(texts) == 4
    assert texts[0].startswith("--transfer: 'cifr10' is neither a set nor a folder")
    assert texts[0].endswith("did you mean cifar10?")
    assert "an empty name" in texts[1]
    assert all(", ".join(TRANSFER_SETS) in text for text in texts)


def test_percents_are_numbers_up_to_a_hundred() -> None:
    assert fine_tune_percents(None) == ()
    assert fine_tune_percents("1, 10%,0.5,1") == (1.0, 10.0, 0.5)
    for text in ("0", "101", "-1", "nan", "inf", "ten", "", "1,,2"):
        with pytest.raises(ConfigError, match="no percentage of the labels"):
            fine_tune_percents(text)
