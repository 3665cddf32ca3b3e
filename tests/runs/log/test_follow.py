"""Following a growing file: complete lines, each once, whatever happens to the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.follow import LineFollower


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def follow(path: Path, **options: int) -> LineFollower:
    return LineFollower(path, reading="read the log", **options)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_an_unfinished_line_is_the_rest_until_it_is_complete(path: Path) -> None:
    follower = follow(path)
    assert follower.poll() == []
    assert not follower.exists
    append(path, b"one\ntw")
    assert (follower.poll(), follower.partial) == ([b"one"], b"tw")
    assert (follower.poll(), follower.partial) == ([], b"tw")
    append(path, b"o\nthree")
    assert (follower.poll(), follower.partial) == ([b"two"], b"three")
    append(path, b"\n")
    assert (follower.poll(), follower.partial) == ([b"three"], b"")
    assert (follower.poll(), follower.offset, follower.size, follower.generation) == ([], 14, 14, 0)


def test_a_file_that_is_begun_again_is_read_from_its_start(path: Path) -> None:
    follower = follow(path)
    append(path, b"old and long\n")
    follower.poll()
    path.write_bytes(b"new\n")
    assert (follower.poll(), follower.generation) == ([b"new"], 1)


def test_a_file_that_was_removed_and_made_again_is_read_from_its_start(path: Path) -> None:
    """Its inode may be the old one, and its size no smaller."""
    follower = follow(path)
    append(path, b"one\n")
    follower.poll()
    path.unlink()
    assert (follower.poll(), follower.exists, follower.offset) == ([], False, 4)
    append(path, b"new\nand longer\n")
    assert (follower.poll(), follower.generation, follower.exists) == ([b"new", b"and longer"], 1, True)


def test_small_blocks_give_the_same_lines(path: Path) -> None:
    append(path, b"".join(b"line %d\n" % number for number in range(100)))
    follower = follow(path)
    found: list[bytes] = []
    while not found or follower.behind:
        found += follower.poll(block=20)
    assert found == [b"line %d" % number for number in range(100)]


def test_a_line_longer_than_a_block_is_whole_and_an_overlong_one_is_passed_over(path: Path) -> None:
    append(path, b"a\n" + b"x" * 50 + b"\nb\n" + b"y" * 500 + b"\nc\n")
    follower = follow(path, longest=100)
    found: list[bytes] = []
    while not found or follower.behind:
        found += follower.poll(block=10)
    assert found == [b"a", b"x" * 50, b"b", b"c"]
    assert follower.overlong == 1


def test_with_a_window_only_the_end_of_what_is_new_is_read(path: Path) -> None:
    follower = follow(path)
    append(path, b"one\ntwo\n")
    assert (follower.poll(window=20), follower.generation) == ([b"one", b"two"], 0)
    append(path, b"".join(b"line %d\n" % number for number in range(10)))
    assert follower.poll(window=20) == [b"line 8", b"line 9"]
    assert (follower.generation, follower.offset) == (1, follower.size)
    append(path, b"z" * 30)
    assert (follower.poll(window=20), follower.partial) == ([], b"z" * 20)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read the log: .*: a folder, not a regular file"):
        follow(tmp_path).poll()
