"""Following a growing file: complete lines, each once, whatever happens to the file."""

from __future__ import annotations

import os
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


def test_a_file_that_was_cut_and_has_grown_beyond_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n")
    follower = follow(path)
    assert follower.poll() == [b"one", b"two"]
    os.truncate(path, 4)
    with path.open("ab") as file:
        file.write(b"TWO\nthree\n")
    assert (follower.poll(), follower.generation) == ([b"one", b"TWO", b"three"], 1)


def test_a_follower_resumes_at_a_point_of_the_same_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = b"".join(b"line %d\n" % number for number in range(2000))
    path.write_bytes(lines)
    first = follow(path)
    while first.poll() or first.behind:
        pass
    point = first.point()
    assert point is not None
    assert point.is_end_of(path)
    with path.open("ab") as file:
        file.write(b"more\n")
    assert not point.is_end_of(path)

    def resumed() -> tuple[int, int]:
        follower = follow(path)
        follower.resume(point)
        found = follower.poll()
        while follower.behind:
            found += follower.poll()
        return len(found), follower.generation

    assert resumed() == (1, 0)
    path.write_bytes(b"X" + lines[1:] + b"more\n")  # another beginning
    assert resumed() == (2001, 1)
    path.write_bytes(lines[:-2] + b"X\nmore\n")  # another end
    assert resumed() == (2001, 1)
    path.write_bytes(lines[:100])  # cut
    assert resumed()[1] == 1
    path.unlink()
    assert resumed() == (0, 1)


def test_there_is_no_point_within_a_line_that_is_too_long_nor_in_another_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"short\n" + b"x" * 100)
    follower = follow(path, longest=20)
    follower.poll()
    assert follower.point() is not None
    follower.poll()
    assert follower.point() is None
    path.write_bytes(b"short\n")
    follower = follow(path)
    follower.poll()
    path.write_bytes(b"SHORT\n")
    assert follower.point() is None
    path.unlink()
    assert follower.point() is None
