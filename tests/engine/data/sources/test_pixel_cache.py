"""Pixels that were decoded once: the same ones, until anything of the files has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from opened_files import opened_files
from PIL import Image

from wmse_tui.engine.data.fingerprint import sampled
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.sources import files, pixel_cache
from wmse_tui.engine.data.sources.damaged import STOP, DamagedPolicy
from wmse_tui.engine.data.sources.files import FileImages, images_from_files
from wmse_tui.engine.data.sources.image_file import decode_cleaned
from wmse_tui.engine.errors import DataError

Picture = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for sets of any size."""
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pixel_cache, "MIN_IMAGES", 1)
    return tmp_path / "cache/decoded"


@pytest.fixture
def paths(tmp_path: Path, picture: Picture) -> list[Path]:
    return [picture(tmp_path / f"{shade}.png", shade, (5, 4)) for shade in range(9)]


class Opened:
    """Reads files as a set, and knows whether they were decoded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decoded = 0
        self.policy = STOP
        honest = decode_cleaned

        def counted(path: str | Path) -> object:
            self.decoded += 1
            return honest(path)

        monkeypatch.setattr(files, "decode_cleaned", counted)

    def __call__(self, paths: list[Path]) -> torch.Tensor | None:
        self.decoded = 0
        self.reports: list[str] = []
        images = images_from_files(
            list(map(str, paths)),
            name="folder",
            split="train",
            labels=None,
            classes=(),
            damaged=self.policy,
            progress=lambda name, *_: self.reports.append(name),
        )
        return images.pixels


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


def shades(pixels: torch.Tensor | None) -> list[int]:
    assert pixels is not None
    assert pixels.shape[1:] == (3, 4, 5)
    return [int(shade) for shade in pixels[:, 2, 3, 4]]


def test_the_second_start_reads_what_the_first_has_decoded(
    cache: Path, paths: list[Path], read: Opened
) -> None:
    first = read(paths)
    assert read.decoded > 0
    again = read(paths)
    assert read.decoded == 0
    assert set(read.reports) == {"reading decoded train images"}
    assert first is not None
    assert again is not None
    assert torch.equal(first, again)
    assert [oct(path.stat().st_mode & 0o777) for path in (cache, *cache.iterdir())] == ["0o700", "0o600"]


def test_pixels_from_the_cache_may_be_written_to(cache: Path, paths: list[Path], read: Opened) -> None:
    read(paths)
    pixels = read(paths)
    assert pixels is not None
    pixels += 1
    assert shades(read(paths)) == list(range(9))


def test_a_changed_file_is_decoded_again_over_the_old_entry(
    cache: Path, paths: list[Path], picture: Picture, read: Opened
) -> None:
    read(paths)
    picture(paths[3], 77, (5, 4))
    os.utime(paths[3], ns=(1, 1))  # of the same size, and by the clock of a machine that is wrong
    assert shades(read(paths)) == [0, 1, 2, 77, 4, 5, 6, 7, 8]
    assert read.decoded > 0
    assert shades(read(paths)) == [0, 1, 2, 77, 4, 5, 6, 7, 8]
    assert read.decoded == 0
    assert len(list(cache.iterdir())) == 1


def test_files_replaced_under_the_same_names_sizes_and_times_are_decoded_again(
    cache: Path, tmp_path: Path, picture: Picture, read: Opened
) -> None:
    names = [tmp_path / f"{index}.bmp" for index in range(9)]
    for shade in (20, 200):
        for path in names:  # replaced, as by unpacking another archive
            path.unlink(missing_ok=True)
            os.utime(picture(path, shade, (5, 4)), (0, 0))
        assert shades(read(names)) == [shade] * 9


def test_the_contents_count_where_all_times_are_one(
    cache: Path, tmp_path: Path, picture: Picture, read: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.stat

    def of_an_image_file_system(path: str, **options: bool) -> os.stat_result:
        status = honest(path, **options)
        times = {"st_mtime_ns": 0, "st_ctime_ns": 0}
        return os.stat_result(tuple(status), times) if str(path).endswith(".bmp") else status

    monkeypatch.setattr(os, "stat", of_an_image_file_system)
    names = [tmp_path / f"{index}.bmp" for index in range(9)]
    for shade in (20, 200):
        for path in names:
            picture(path, shade, (5, 4))
        assert shades(read(names)) == [shade] * 9


def test_what_decoding_reports_is_reported_from_the_cache_too(
    cache: Path, tmp_path: Path, read: Opened, progress: Callable[..., None]
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.array([[0, 1, np.nan]], np.float32)).save(path)
    read([path])
    decoded = images_from_files(
        [str(path)], name="folder", split="train", labels=None, classes=(), damaged=STOP, progress=progress
    )
    assert isinstance(decoded, MemoryImages)
    assert str(path) in decoded.notices[0]


def test_other_files_or_another_order_are_another_set(cache: Path, paths: list[Path], read: Opened) -> None:
    read(paths)
    assert shades(read(paths[::-1])) == list(range(9))[::-1]
    assert shades(read(paths[:4])) == [0, 1, 2, 3]
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole + b"\0",
        lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        lambda whole: whole.replace(b'"format": 4', b'"format": 5'),
        lambda whole: whole.replace(b'"shape": [9, 3', b'"shape": [-9, 3'),
        lambda whole: whole.replace(b'"shape": [9, 3, 4, 5]', b'"shape": "9"'),
        lambda whole: b"[]\n" + whole,
        lambda whole: b"\xff\xfe" * 900,
    ],
    ids=["empty", "torn", "longer", "flipped", "newer", "negative", "text", "list", "binary"],
)
def test_a_damaged_entry_is_made_anew(
    cache: Path, paths: list[Path], read: Opened, damage: Callable[[bytes], bytes]
) -> None:
    read(paths)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert shades(read(paths)) == list(range(9))
    assert read.decoded > 0
    assert entry.read_bytes() == whole


def test_without_space_or_permission_there_is_no_cache_and_no_error(
    cache: Path, paths: list[Path], read: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "FREE_SPACE_FACTOR", 10**15)
    assert shades(read(paths)) == list(range(9))
    assert list(cache.iterdir()) == []
    cache.rmdir()
    cache.write_text("in the way", encoding="utf-8")
    assert shades(read(paths)) == list(range(9))


def test_an_interrupted_writing_leaves_nothing(
    cache: Path, paths: list[Path], read: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    assert shades(read(paths)) == list(range(9))
    assert list(cache.iterdir()) == []


def test_pixels_of_few_images_are_not_stored(
    cache: Path, paths: list[Path], read: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "MIN_IMAGES", 10)
    assert shades(read(paths)) == list(range(9))
    assert not cache.exists()


# Sets that stay in their files


def in_files(paths: list[Path]) -> FileImages:
    images = images_from_files(
        list(map(str, paths)),
        name="folder",
        split="train",
        labels=None,
        classes=(),
        damaged=STOP,
        progress=lambda *_: None,
    )
    assert isinstance(images, FileImages)
    return images


@pytest.mark.parametrize("kind", ["they differ in size", "would need"])
def test_the_second_start_opens_only_the_files_that_are_compared(
    cache: Path, tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Of 1,100 files, 1,024 are compared by their contents; none is decoded."""
    monkeypatch.setattr(pixel_cache, "MIN_IMAGES", 2000)
    if kind == "would need":
        monkeypatch.setattr(files, "MEMORY_BYTES", 1000)
    folder = tmp_path / "images"
    folder.mkdir()
    contents = [picture(tmp_path / f"{width}.png", 7, (width, 4)).read_bytes() for width in (5, 6)]
    paths = [folder / f"{index:04}.png" for index in range(1100)]
    for index, path in enumerate(paths):
        path.write_bytes(contents[index % 2 if kind == "they differ in size" else 0])
    with opened_files() as opened:
        first = in_files(paths)
    assert set(opened.of(folder)) == set(paths)
    monkeypatch.setattr(files, "decode_cleaned", None)
    with opened_files() as opened:
        second = in_files(paths)
    assert sorted(opened.of(folder)) == [paths[index] for index in sampled(len(paths))]
    assert kind in second.why
    assert (second.why, second.notices, second.fingerprint) == (first.why, first.notices, first.fingerprint)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: os.utime(path, ns=(1, 1)),
        lambda path: path.chmod(0o640),
        lambda path: path.write_bytes(path.read_bytes()[:-9] + b"\0" + path.read_bytes()[-8:]),
    ],
    ids=["size", "time", "status", "contents"],
)
def test_any_change_lets_all_files_be_checked_again(
    cache: Path, paths: list[Path], picture: Picture, read: Opened, change: Callable[[Path], object]
) -> None:
    picture(paths[8], 8, (6, 4))
    assert read(paths) is None
    assert read.decoded > 0
    assert read(paths) is None
    assert (read.decoded, read.reports) == (0, [])
    change(paths[4])
    assert read(paths) is None
    assert read.decoded > 0


def test_a_damaged_file_is_named_at_the_second_start_too(
    cache: Path, paths: list[Path], picture: Picture, read: Opened
) -> None:
    """One that is passed over is stored as such, and refused where it is not to be passed over."""
    picture(paths[8], 8, (6, 4))
    paths[3].write_bytes(b"")
    read.policy = DamagedPolicy(skip=True)
    assert read(paths) is None
    assert read(paths) is None
    assert read.decoded == 0
    read.policy = STOP
    with pytest.raises(DataError) as refused:
        read(paths)
    assert str(paths[3]) in str(refused.value) + refused.value.detail


def test_the_sample_of_values_that_are_no_numbers_is_reported_from_the_cache_too(
    cache: Path, tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tif = tmp_path / "a.tif"
    Image.fromarray(np.array([[0, 1, np.nan]], np.float32)).save(tif)
    first = in_files([*paths, tif])
    monkeypatch.setattr(files, "decode_cleaned", None)
    assert in_files([*paths, tif]).notices == first.notices
    assert "1 of 1 sampled files of train have values that are no numbers" in first.notices[0]


# Entries that are not this user's


def link(entry: Path, elsewhere: Path) -> None:
    entry.rename(elsewhere)
    entry.symlink_to(elsewhere)


def link_folder(entry: Path, elsewhere: Path) -> None:
    link(entry.parent, elsewhere)


def make_fifo(entry: Path, elsewhere: Path) -> None:
    entry.unlink()
    os.mkfifo(entry)


def make_folder(entry: Path, elsewhere: Path) -> None:
    entry.unlink()
    entry.mkdir()


def give_away(entry: Path, elsewhere: Path) -> None:
    os.chown(entry, 12345, -1)


def give_away_folder(entry: Path, elsewhere: Path) -> None:
    os.chown(entry.parent, 12345, -1)


FOREIGN = [link, link_folder, make_fifo, make_folder]
"""What another user may have put in the place of an entry."""
if os.geteuid() == 0:  # only root may give files away
    FOREIGN += [give_away, give_away_folder]


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("replace", FOREIGN)
def test_an_entry_of_another_user_or_kind_is_not_used(
    cache: Path,
    tmp_path: Path,
    paths: list[Path],
    picture: Picture,
    read: Opened,
    replace: Callable[[Path, Path], None],
    in_memory: bool,
) -> None:
    if not in_memory:
        picture(paths[8], 8, (6, 4))
    read(paths)
    (entry,) = cache.iterdir()
    replace(entry, tmp_path / "elsewhere")
    assert (read(paths) is not None) == in_memory
    assert read.decoded > 0


def test_a_missing_file_is_reported_as_such(cache: Path, paths: list[Path], read: Opened) -> None:
    read(paths)
    paths[2].unlink()
    with pytest.raises(DataError, match="1 file of 9 cannot be read as images"):
        read(paths)
