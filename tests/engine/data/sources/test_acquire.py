"""How a data set is acquired: found, unpacked, fetched or awaited; and the errors."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import shutil
import threading
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from wmse_tui.engine.data.sources import acquire as module
from wmse_tui.engine.data.sources import disk
from wmse_tui.engine.data.sources.acquire import Publication, acquire
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]


@pytest.fixture
def published(server: Any, tmp_path: Path, tar: Callable[..., Path]) -> tuple[Publication, Any]:
    """A data set of one file `a`, and its page on the server."""
    body = tar(tmp_path / "made.tar.gz", ("set/a", bytes(range(256)) * 2000)).read_bytes()
    remote, page = server.publish("set.tar.gz", body)
    return Publication(title="The Set", remote=remote, folder="set", unpacked=600_000), page


def defect(home: Path) -> str | None:
    return None if (home / "a").is_file() else "missing: a"


def test_what_is_missing_is_fetched_once(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, page = published
    root = tmp_path / "deep" / "data"
    for _ in range(2):
        home = acquire(publication, root, download=True, defect=defect, progress=progress)
        assert (home / "a").read_bytes() == bytes(range(256)) * 2000
    assert page.requested == [None]


def test_the_folder_itself_may_be_named(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, page = published
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").touch()
    home = acquire(publication, tmp_path / "set", download=True, defect=defect, progress=progress)
    assert home == tmp_path / "set"
    assert page.requested == []


def test_data_that_is_there_is_used_without_writing_anything(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, _ = published
    root = tmp_path / "shared"
    (root / "set").mkdir(parents=True)
    (root / "set" / "a").touch()
    monkeypatch.setattr(os, "open", refuse(errno.EROFS))
    acquire(publication, root, download=True, defect=defect, progress=progress)
    assert [entry.name for entry in root.iterdir()] == ["set"]


def test_an_archive_that_the_user_provides_is_checked_and_unpacked(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, page = published
    root = tmp_path / "data"
    root.mkdir()
    (root / "set.tar.gz").write_bytes(page.body)
    home = acquire(publication, root, download=False, defect=defect, progress=progress)
    assert (home / "a").is_file()
    assert page.requested == []
    assert (root / "set.tar.gz").is_file()


def test_a_wrong_archive_that_the_user_provides_is_named_and_left_alone(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, page = published
    (tmp_path / "set.tar.gz").write_bytes(b"<html>sign in</html>")
    with pytest.raises(DataError) as caught:
        acquire(publication, tmp_path, download=True, defect=defect, progress=progress)
    remote = publication.remote
    assert caught.value.title == "set.tar.gz is not what was published"
    assert caught.value.detail == (
        f"{tmp_path}/set.tar.gz: got 20 bytes that begin with <html>sign in</html>; "
        f"expected {remote.size:,} bytes, md5 {remote.md5}"
    )
    assert caught.value.next[0] == f"delete {tmp_path}/set.tar.gz and start again"
    assert (tmp_path / "set.tar.gz").read_bytes() == b"<html>sign in</html>"
    assert page.requested == []


def test_missing_data_without_download_is_an_error_with_the_command(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, page = published
    root = tmp_path / "data"
    with pytest.raises(DataError) as caught:
        acquire(publication, root, download=False, defect=defect, progress=progress)
    assert caught.value.title == f"The Set is not in {root}"
    assert caught.value.detail == "neither set nor set.tar.gz is there, and dataset.download is false"
    assert caught.value.next[0] == ("let it be fetched: --set dataset.download=true")
    assert f"put it at {root}/set.tar.gz" in caught.value.next[1]
    assert not root.exists()
    assert page.requested == []


def test_an_incomplete_folder_is_named_and_left_alone(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, page = published
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "other").touch()
    with pytest.raises(DataError) as caught:
        acquire(publication, tmp_path, download=True, defect=defect, progress=progress)
    assert caught.value.title == f"The Set in {tmp_path}/set is incomplete"
    assert caught.value.detail == "missing: a"
    assert caught.value.next == (
        f"move {tmp_path}/set away and start again: it is then unpacked or fetched again",
    )
    assert (tmp_path / "set" / "other").exists()
    assert page.requested == []


def test_an_empty_folder_counts_as_missing(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, _ = published
    (tmp_path / "set").mkdir()
    assert (acquire(publication, tmp_path, download=True, defect=defect, progress=progress) / "a").is_file()


def test_a_second_process_waits_and_uses_what_the_first_has_fetched(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, page = published
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    (tmp_path / "set.tar.gz.part").write_bytes(page.body[:100])
    descriptor = os.open(tmp_path / ".set.tar.gz.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    waiting = threading.Event()
    reports: list[tuple[str, float, float, str]] = []
    homes: list[Path] = []

    def listen(*event: Any) -> None:
        reports.append(event)
        waiting.set()

    second = threading.Thread(
        target=lambda: homes.append(
            acquire(publication, tmp_path, download=True, defect=defect, progress=listen)
        )
    )
    second.start()
    assert waiting.wait(60)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").touch()
    os.close(descriptor)
    second.join(60)
    assert homes == [tmp_path / "set"]
    assert page.requested == []
    assert reports[0] == (
        "waiting for another download of set.tar.gz",
        100,
        publication.remote.size,
        "bytes",
    )


def test_a_disk_that_is_too_small_is_an_error_before_the_first_byte(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, page = published
    remote = dataclasses.replace(publication.remote, size=2_600_000_000)
    publication = dataclasses.replace(publication, remote=remote, unpacked=3_100_000_000)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, 1_100_000_000))
    with pytest.raises(DataError) as caught:
        acquire(publication, tmp_path, download=True, defect=defect, progress=progress)
    assert caught.value.title == f"not enough space in {tmp_path}"
    assert caught.value.detail == (
        "5.7 GB needed for The Set (2.6 GB to fetch, 3.1 GB unpacked), 1.1 GB free"
    )
    assert "dataset.root" in caught.value.next[0]
    assert page.requested == []


def test_a_folder_that_may_not_be_written_to_is_named_with_its_owner(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication, _ = published
    tmp_path.chmod(0o750)
    monkeypatch.setattr(os, "open", refuse(errno.EACCES))
    with pytest.raises(DataError) as caught:
        acquire(publication, tmp_path, download=True, defect=defect, progress=progress)
    assert caught.value.title == "no permission to put The Set there"
    assert caught.value.detail == (
        f"{tmp_path}/.set.tar.gz.lock: Permission denied; "
        f"{tmp_path} belongs to uid {os.geteuid()} (mode 0750), this is uid {os.geteuid()}"
    )
    assert "WMSE_TUI_DATA" in caught.value.next[0]


def test_a_data_folder_that_is_a_file_is_an_error(
    published: tuple[Publication, Any], tmp_path: Path, progress: Progress
) -> None:
    publication, _ = published
    (tmp_path / "data").touch()
    with pytest.raises(DataError, match=r"cannot make the data folder: .*/data: File exists"):
        acquire(publication, tmp_path / "data", download=True, defect=defect, progress=progress)


def test_a_disk_that_fills_up_is_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        disk.refuse_os(OSError(errno.ENOSPC, "No space left on device"), tmp_path, "store the download")
    assert caught.value.title == "no space left to store the download"
    assert caught.value.detail == f"{tmp_path}: No space left on device"


@pytest.mark.parametrize(
    ("count", "text"),
    [(431, "431 bytes"), (2_431, "2.4 kB"), (248_100_043, "248 MB"), (2_640_397_119, "2.6 GB")],
)
def test_bytes_are_formatted_for_people(count: int, text: str) -> None:
    assert disk.bytes_text(count) == text


def refuse(code: int) -> Callable[..., NoReturn]:
    def opened(*_arguments: object, **_options: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return opened
