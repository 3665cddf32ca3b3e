"""The end of the trainer's output: bounded, harmless, and followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.tail import LogEnd, LogTail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trainer.log"


def append(path: Path, text: str) -> None:
    with path.open("a", newline="") as file:
        file.write(text)


def test_a_file_that_is_not_there_has_no_lines(path: Path) -> None:
    assert LogTail(path).poll() == LogEnd()


def test_lines_come_as_they_are_written_and_an_unfinished_one_grows(path: Path) -> None:
    tail = LogTail(path)
    append(path, "one\ntw")
    assert tail.poll().lines == ("one", "tw")
    append(path, "o\nthree\n")
    assert tail.poll().lines == ("one", "two", "three")


def test_nothing_new_gives_the_same_object(path: Path) -> None:
    tail = LogTail(path)
    append(path, "one\n")
    assert tail.poll() is tail.poll()


def test_only_the_newest_lines_are_retained_and_what_is_left_out_is_counted(path: Path) -> None:
    tail = LogTail(path, lines=3)
    append(path, "".join(f"line {number}\n" for number in range(10)))
    assert tail.poll() == LogEnd(("line 7", "line 8", "line 9"), left_out=7 * len("line 0\n"))
    append(path, "line 10\n")
    assert tail.poll() == LogEnd(("line 8", "line 9", "line 10"), left_out=8 * len("line 0\n"))


def test_of_an_old_file_only_the_end_is_read_from_the_start_of_a_line_on(path: Path) -> None:
    append(path, "".join(f"line {number:03}\n" for number in range(100)))
    tail = LogTail(path, window=40)
    found = tail.poll()
    assert found.lines == ("line 096", "line 097", "line 098", "line 099")
    assert found.left_out == 96 * len("line 000\n")


def test_a_burst_larger_than_the_window_drops_what_lies_before_it(path: Path) -> None:
    tail = LogTail(path, window=40)
    append(path, "begin\n")
    assert tail.poll().lines == ("begin",)
    append(path, "".join(f"line {number:03}\n" for number in range(100)))
    found = tail.poll()
    assert found.lines[-1] == "line 099"
    assert "begin" not in found.lines
    assert found.left_out == path.stat().st_size - sum(len(line) + 1 for line in found.lines)


def test_a_file_that_was_begun_again_is_read_from_its_start(path: Path) -> None:
    tail = LogTail(path)
    append(path, "old and long\n")
    tail.poll()
    path.write_text("new\n")
    assert tail.poll().lines == ("new",)
    path.unlink()
    assert tail.poll() == LogEnd()


def test_what_a_terminal_would_have_overwritten_is_not_shown(path: Path) -> None:
    append(path, "10 %\r50 %\r100 %\r\ndone\n")
    assert LogTail(path).poll().lines == ("100 %", "done")


def test_escapes_are_shown_and_long_lines_cut(path: Path) -> None:
    path.write_bytes(b"\x1b]52;c;aGk=\x07 \xff\xe2\x80\xae\n" + b"x" * 5000 + b"\n")
    first, second = LogTail(path).poll().lines
    assert first == "\\x1b]52;c;aGk=\\x07 \N{REPLACEMENT CHARACTER}\\u202e"
    assert len(second) == 2000
    assert second.endswith("x…")


def test_what_cannot_be_read_is_an_error_with_the_path(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageError, match=r"cannot read the trainer's output: .*trainer\.log"):
        LogTail(path).poll()
