"""Archives that are damaged, that lead out of their folder, or whose unpacking is interrupted."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.engine.data.sources.unpack import unpack
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Pack = Callable[..., Path]


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_tar_and_zip_give_the_same_folder(
    tmp_path: Path, tar: Pack, zipped: Pack, progress: Progress
) -> None:
    members = (("set/a.bin", b"a" * 3_000_000), ("set/deep/b.txt", b"b"))
    first = unpack(tar(tmp_path / "set.tar.gz", *members), "set", progress=progress)
    (tmp_path / "zip").mkdir()
    second = unpack(zipped(tmp_path / "zip" / "set.zip", *members), "set", progress=progress)
    for folder in (first, second):
        assert (folder / "a.bin").read_bytes() == b"a" * 3_000_000
        assert (folder / "deep" / "b.txt").read_bytes() == b"b"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["set", "set.tar.gz", "zip"]


def test_unpacking_reports_its_progress(tmp_path: Path, tar: Pack) -> None:
    archive = tar(tmp_path / "set.tar.gz", ("set/a", b"a" * 100_000))
    reports: list[tuple[str, float, float, str]] = []
    unpack(archive, "set", progress=lambda *event: reports.append(event))
    size = archive.stat().st_size
    assert [reports[0], reports[-1]] == [("unpacking set.tar.gz", done, size, "bytes") for done in (0, size)]


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        (("../out", b"x"), "'../out' leads out of its folder"),
        (("set/../../out", b"x"), "'set/../../out' leads out of its folder"),
        (("/tmp/out", b"x"), "'/tmp/out' leads out of its folder"),
        (link("set/way", "/etc"), "'set/way' is a link or a device"),
        (link("set/hard", "/etc/passwd", tarfile.LNKTYPE), "'set/hard' is a link or a device"),
        (link("set/device", "", tarfile.CHRTYPE), "'set/device' is a link or a device"),
    ],
)
def test_a_tar_that_wants_out_is_refused(
    tmp_path: Path, tar: Pack, progress: Progress, member: tuple[str, bytes] | tarfile.TarInfo, complaint: str
) -> None:
    archive = tar(tmp_path / "set.tar.gz", ("set/fine", b"x"), member)
    with pytest.raises(DataError) as caught:
        unpack(archive, "set", progress=progress)
    assert caught.value.title == "set.tar.gz cannot be unpacked"
    assert caught.value.detail == f"{archive}: {complaint}"
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.tar.gz"]


def test_a_zip_that_wants_out_is_refused(tmp_path: Path, zipped: Pack, progress: Progress) -> None:
    way = zipfile.ZipInfo("set/way")
    way.external_attr = 0o120777 << 16
    for name, members, complaint in (
        ("a.zip", (("../out", b"x"),), "'../out' leads out of its folder"),
        ("b.zip", ((way, b"/etc"),), "'set/way' is a link"),
    ):
        archive = zipped(tmp_path / name, ("set/fine", b"x"), *members)
        with pytest.raises(DataError, match=complaint):
            unpack(archive, "set", progress=progress)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_a_damaged_archive_leaves_no_folder(tmp_path: Path, tar: Pack, progress: Progress) -> None:
    whole = tar(tmp_path / "whole.tar.gz", ("set/a", bytes(range(256)) * 4000)).read_bytes()
    for name, body in (("cut.tar.gz", whole[: len(whole) // 2]), ("none.tar.gz", b"hello")):
        archive = tmp_path / name
        archive.write_bytes(body)
        with pytest.raises(DataError) as caught:
            unpack(archive, "set", progress=progress)
        assert caught.value.title == f"{name} cannot be unpacked"
        assert caught.value.next == (f"delete {archive} and start again",)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


def test_another_archive_does_not_pass_for_the_data_set(
    tmp_path: Path, tar: Pack, progress: Progress
) -> None:
    archive = tar(tmp_path / "set.tar.gz", ("other/a", b"x"))
    with pytest.raises(DataError, match="it holds no folder set"):
        unpack(archive, "set", progress=progress)


def test_an_interrupted_unpacking_leaves_nothing_and_a_killed_one_is_cleaned_up(
    tmp_path: Path, tar: Pack, progress: Progress
) -> None:
    archive = tar(tmp_path / "set.tar.gz", ("set/a", b"a"), ("set/b", b"b"))
    (tmp_path / ".set.abc.unpacking" / "set").mkdir(parents=True)  # as kill -9 leaves it

    def stop(_name: str, done: float, _total: float, _unit: str) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(archive, "set", progress=stop)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.tar.gz"]
    assert (unpack(archive, "set", progress=progress) / "b").read_bytes() == b"b"


def test_a_folder_that_holds_something_is_not_overwritten(
    tmp_path: Path, tar: Pack, progress: Progress
) -> None:
    archive = tar(tmp_path / "set.tar.gz", ("set/a", b"a"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_bytes(b"mine")
    with pytest.raises(DataError, match="cannot unpack"):
        unpack(archive, "set", progress=progress)
    assert [entry.name for entry in (tmp_path / "set").iterdir()] == ["mine"]


def test_an_archive_unpacks_to_no_more_than_was_published(
    zipped: Pack, tar: Pack, tmp_path: Path, progress: Progress
) -> None:
    members = [("set/a", bytes(70_000)), ("set/b", bytes(70_000))]
    for archive in (zipped(tmp_path / "set.zip", *members), tar(tmp_path / "set.tar.gz", *members)):
        with pytest.raises(DataError, match="unpacks to more than 100,000 bytes"):
            unpack(archive, "set", progress=progress, largest=100_000)
        assert not (tmp_path / "set").exists()
        assert not list(tmp_path.glob(".set.*"))
        assert unpack(archive, "set", progress=progress, largest=140_000).is_dir()
        shutil.rmtree(tmp_path / "set")
