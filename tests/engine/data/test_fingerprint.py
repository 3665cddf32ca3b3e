"""The identity of a set of images: the same wherever it is, another after any change."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from wmse_tui.engine.data import fingerprint as module
from wmse_tui.engine.data.dataset_sources import fingerprint
from wmse_tui.engine.data.fingerprint import difference, fingerprint_of_files
from wmse_tui.engine.data.images import MemoryImages

ONE_OF_TEN = "1 of 10 sampled images have other contents, the first is"
CLASSES = ("ant", "bee")


def files(root: Path) -> list[str]:
    return sorted(str(path) for path in root.rglob("*.bin"))


def labels(paths: list[str]) -> torch.Tensor:
    return torch.tensor([int("bee" in path) for path in paths])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for index in range(5):
            (root / name / f"{index}.bin").write_bytes(f"{name} {index}".encode() * 20_000)
    return root


def of(root: Path) -> module.Fingerprint:
    paths = files(root)
    return fingerprint_of_files(paths, labels(paths), CLASSES)


def test_a_copied_moved_or_touched_set_is_the_same(root: Path, tmp_path: Path) -> None:
    before = of(root)
    os.utime(root / "ant" / "0.bin", (1, 1))
    shutil.copytree(root, tmp_path / "copy" / "deeper")
    assert before == of(root) == of(tmp_path / "copy" / "deeper")
    assert before.text() == of(root).text()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def grow_the_middle(root: Path) -> None:
    data = (root / "bee/3.bin").read_bytes()
    (root / "bee/3.bin").write_bytes(data[:40_000] + b"x" + data[40_000:])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda root: (root / "bee").rename(root / "zebra-bee"), "files or folders have other names"),
        (lambda root: (root / "bee/3.bin").rename(root / "bee/x.bin"), "files or folders have other names"),
        (lambda root: (root / "bee/3.bin").unlink(), "10 images then, 9 now"),
        (
            lambda root: flip(root / "bee/3.bin", 5),
            "1 of 10 sampled images have other contents, the first is 8",
        ),
        (
            lambda root: flip(root / "ant/0.bin", -5),
            "1 of 10 sampled images have other contents, the first is 0",
        ),
        (grow_the_middle, "1 of 10 files have other sizes, the first is 8"),
    ],
)
def test_every_change_is_reported(root: Path, change: Callable[[Path], object], text: str) -> None:
    saved = of(root).state()
    change(root)
    assert difference(saved, of(root), str) == text


def test_sizes_of_an_earlier_version_are_compared_by_their_digest(root: Path) -> None:
    saved = of(root).state()
    del saved["each_size"]
    assert difference(saved, of(root), str) is None
    grow_the_middle(root)
    assert difference(saved, of(root), str) == "files have other sizes"


def test_of_files_named_as_damaged_only_names_and_labels_are_compared(root: Path) -> None:
    saved = of(root).state()
    paths = files(root)
    named = str(root / "bee/3.bin")

    def now(listed: list[str] = paths) -> module.Fingerprint:
        return fingerprint_of_files(listed, labels(listed), CLASSES, named={named})

    (root / "bee/3.bin").write_bytes(b"repaired")
    assert difference(saved, now(), str) is None
    (root / "bee/3.bin").unlink()
    assert difference(saved, now(), str) is None
    assert difference(saved, now(files(root)), str) == "10 images then, 9 now"
    flip(root / "bee/2.bin", 5)
    assert difference(saved, now(), str) == "1 of 10 sampled images have other contents, the first is 7"
    flip(root / "bee/2.bin", 5)
    data = (root / "bee/2.bin").read_bytes()
    (root / "bee/2.bin").write_bytes(data[:40_000] + b"x" + data[40_000:])
    assert difference(saved, now(), str) == "1 of 10 files have other sizes, the first is 7"


def test_other_labels_of_the_same_files_are_reported(root: Path) -> None:
    paths = files(root)
    saved = fingerprint_of_files(paths, labels(paths), CLASSES).state()
    permuted = fingerprint_of_files(paths, 1 - labels(paths), CLASSES)
    assert difference(saved, permuted, str) == "other labels"
    renamed = fingerprint_of_files(paths, labels(paths), CLASSES[::-1])
    assert difference(saved, renamed, str) == "other labels"


def test_a_set_in_memory_is_known_by_its_pixels() -> None:
    pixels = torch.randint(256, (9, 3, 4, 4), dtype=torch.uint8)
    images = MemoryImages(name="m", split="train", pixels=pixels)
    saved = fingerprint(images).state()
    assert difference(saved, fingerprint(images), str) is None
    pixels[7, 0, 0, 0] ^= 1
    assert (
        difference(saved, fingerprint(images), str)
        == "1 of 9 sampled images have other contents, the first is 7"
    )


def test_a_million_files_cost_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def stat(path: str, **_: bool) -> os.stat_result:
        asked.append(path)
        return os.stat_result((0,) * 10)

    monkeypatch.setattr(os, "stat", stat)
    paths = [f"/absent/{index % 1000:04}/{index:07}.jpg" for index in range(1_000_000)]
    began = time.process_time()
    found = fingerprint_of_files(paths, torch.zeros(len(paths), dtype=torch.int64), ("one",))
    assert time.process_time() - began < 20
    assert found.images == 1_000_000
    assert len(found.contents) == module.SAMPLED
    assert len(asked) == module.SIZED // 10
