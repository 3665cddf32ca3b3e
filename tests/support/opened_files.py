"""Which files a block opens, as the interpreter's own audit events report them.

with opened_files() as opened:
    start()
assert opened.of(folder) == []

Files that C code opens by itself, without Python's `open` or `os.open`, are not among them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Opened(list[tuple[Path, int]]):
    """Paths and flags of all opens, in order."""

    def of(self, folder: Path) -> list[Path]:
        """The paths below `folder`."""
        return [path for path, _ in self if path.is_relative_to(folder)]


_recording: list[Opened] = []


@contextmanager
def opened_files() -> Iterator[Opened]:
    """Record the files that this process opens during the block."""
    _hook_once()
    opened = Opened()
    _recording.append(opened)
    try:
        yield opened
    finally:
        _recording.remove(opened)


_hooked: list[bool] = []


def _hook_once() -> None:
    """An audit hook stays until the process ends, so there is one for all blocks."""
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_record)


def _record(event: str, values: tuple[Any, ...]) -> None:
    if event == "open" and _recording and isinstance(values[0], str | bytes):
        for opened in _recording:
            opened.append((Path(os.fsdecode(values[0])), values[2]))
