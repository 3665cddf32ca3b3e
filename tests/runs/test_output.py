"""Files where a person wants them: whole, unasked never in the place of another, and no crash."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.runs.errors import OutputExists, StorageError
from wmse_tui.runs.output import write_output


def test_the_text_is_written_with_its_line_ends(tmp_path: Path) -> None:
    write_output(tmp_path / "a.csv", "ä\r\n\udc80\n")
    assert (tmp_path / "a.csv").read_bytes() == b"\xc3\xa4\r\n\\udc80\n"


def test_a_file_that_is_there_stays_until_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("precious")
    with pytest.raises(OutputExists, match="there is a file of that name already"):
        write_output(path, "new")
    assert path.read_text() == "precious"
    write_output(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_a_link_is_written_through_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_output(tmp_path / "link", "text", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"


@pytest.mark.parametrize(
    ("name", "problem"), [("no/file", "there is no folder"), ("", "Is a directory"), ("a\0b", "null byte")]
)
def test_what_cannot_be_written_is_a_sentence(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(StorageError, match=problem):
        write_output(tmp_path / name, "text", overwrite=True)


def test_a_full_disk_leaves_no_half_of_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str) -> Any:
        file: Any = opened(self, mode, buffering=0)

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, content: bytes) -> None:
                file.write(content[:2])
                raise OSError(errno.ENOSPC, "No space left on device")

        return Full()

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_output(tmp_path / "a", "text")
    assert not (tmp_path / "a").exists()
