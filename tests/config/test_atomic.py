"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from wmse_tui.config.atomic import SHARED, append_private, publish, replacing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_published_file_is_private_and_replaces_what_is_there(folder: Path) -> None:
    path = folder / "a"
    publish(path, b"old")
    publish(path, b"new")
    assert (path.read_bytes(), oct(mode(path))) == (b"new", oct(0o600))
    assert list(folder.iterdir()) == [path]


def test_a_shared_file_follows_the_umask(folder: Path) -> None:
    umask = os.umask(0o027)
    try:
        publish(folder / "a", b"", mode=SHARED)
    finally:
        os.umask(umask)
    assert oct(mode(folder / "a")) == oct(0o640)


@pytest.mark.parametrize("operation", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = folder / "a"
    publish(path, b"old")
    monkeypatch.setattr(os, operation, full)
    with pytest.raises(OSError, match="No space left on device"):
        publish(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]


def test_a_block_that_is_interrupted_publishes_nothing(folder: Path) -> None:
    with suppress(KeyboardInterrupt), replacing(folder / "a") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert list(folder.iterdir()) == []


def test_a_private_log_is_appended_to(folder: Path) -> None:
    for line in (b"one\n", b"two\n"):
        with append_private(folder / "log") as file:
            file.write(line)
    assert ((folder / "log").read_bytes(), oct(mode(folder / "log"))) == (b"one\ntwo\n", oct(0o600))
