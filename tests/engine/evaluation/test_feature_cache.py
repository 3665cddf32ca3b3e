"""Cached features: found again under the same facts, computed again whenever anything differs."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import torch

from wmse_tui.engine.evaluation.feature_cache import FeatureCache, ReadableFeatures
from wmse_tui.runs.directory import RunDirectory, create_run

FACTS = {"images": "abc", "crop": 32}
SUM, OTHER_SUM = "a" * 64, "b" * 64


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = create_run(tmp_path, "seed: 1\n", name="r")
    (run.checkpoints / "best.pt.sha256").write_text(f"{SUM}  best.pt\n")
    return run


def found() -> ReadableFeatures:
    return ReadableFeatures(torch.randn(3, 5), torch.tensor([True, False, True, True]))


def test_features_are_found_under_the_same_facts_only(run: RunDirectory) -> None:
    cache, saved = FeatureCache(run, SUM), found()
    assert cache.write("cifar10-train", FACTS, saved)
    again = cache.read("cifar10-train", FACTS, 4)
    assert again is not None
    assert torch.equal(again.features, saved.features)
    assert torch.equal(again.readable, saved.readable)
    assert cache.read("cifar10-test", FACTS, 4) is None
    assert cache.read("cifar10-train", {**FACTS, "crop": 24}, 4) is None
    assert FeatureCache(run, OTHER_SUM).read("cifar10-train", FACTS, 4) is None
    assert cache.read("cifar10-train", FACTS, 5) is None
    (file,) = run.features.iterdir()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(run.features.stat().st_mode)) == (0o600, 0o700)
    assert file.name.startswith("a" * 16)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("it was executed",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        Trap(),
        {"features": torch.randn(3, 5)},
        [1],
        {"features": torch.full((3, 5), torch.nan), "readable": torch.ones(3, dtype=torch.bool)},
        {"features": torch.randn(3, 5), "readable": torch.zeros(3, dtype=torch.bool)},
        {"features": torch.randn(3), "readable": torch.ones(3, dtype=torch.bool)},
        {"features": 1, "readable": 2},
    ],
    ids=["empty", "text", "code", "half", "list", "nan", "fewer", "flat", "numbers"],
)
def test_what_is_no_cache_is_not_used(run: RunDirectory, content: object) -> None:
    cache = FeatureCache(run, SUM)
    cache.write("s-train", FACTS, found())
    (file,) = run.features.iterdir()
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    assert cache.read("s-train", FACTS, 3) is None


def test_files_of_checkpoints_that_are_gone_are_removed(run: RunDirectory) -> None:
    FeatureCache(run, OTHER_SUM).write("s-train", FACTS, found())
    FeatureCache(run, SUM).write("s-train", FACTS, found())
    assert [file.name[0] for file in run.features.iterdir()] == ["a"]


def test_features_that_cannot_be_saved_are_no_error(run: RunDirectory) -> None:
    run.features.write_text("in the way")
    cache = FeatureCache(run, SUM)
    assert not cache.write("s-train", FACTS, found())
    assert cache.read("s-train", FACTS, 4) is None
