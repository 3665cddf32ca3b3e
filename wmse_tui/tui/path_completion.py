"""Completing a path that is typed: the rest that all matching names share, or the first of them."""

from __future__ import annotations

import asyncio
import os
from itertools import islice
from pathlib import Path

from textual.suggester import Suggester
from textual.widgets import Input

from wmse_tui.config.locations import expanded
from wmse_tui.tui import keys

_MOST = 2000  # names of a folder that are compared


def completion(text: str, *, folders: bool = False) -> str | None:
    """`text` with more of a path that exists; None where none begins so.

    Args:
        text: as it was typed: absolute, from the working directory, or with `~`.
        folders: files do not count.
    """
    if not text or "\0" in text:
        return None
    head, slash, start = text.rpartition("/")
    try:
        with os.scandir(expanded(Path(head + slash)) if slash else expanded(Path())) as entries:
            found = sorted(
                f"{entry.name}/" if is_folder else entry.name
                for entry in islice(entries, _MOST)
                if entry.name.startswith(start) and (start or not entry.name.startswith("."))
                for is_folder in (entry.is_dir(),)
                if (is_folder or not folders) and entry.name.isprintable()
            )
    except (OSError, RuntimeError):  # no such folder, or no home of that user
        return None
    if not found:
        return None
    shared = os.path.commonprefix(found)  # noqa: RUF071 (characters are wanted, not components)
    return head + slash + (shared if len(shared) > len(start) else found[0])


class PathSuggester(Suggester):
    """Suggests the completion of what is typed."""

    def __init__(self, *, folders: bool = False) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._folders = folders

    async def get_suggestion(self, value: str) -> str | None:
        """The completion, read from the disk in a thread."""
        return await asyncio.to_thread(completion, value, folders=self._folders)


def complete(line: Input) -> None:
    """Accept the suggestion of a line; where there is none, move the focus on."""
    before = line.value
    line.action_end()
    line.action_cursor_right()
    if line.value == before:
        line.app.action_focus_next()


class PathInput(Input):
    """A line for a path: tab completes it, or moves on where there is nothing to complete."""

    BINDINGS = keys.PATH_INPUT

    def __init__(
        self, value: str = "", *, placeholder: str = "", folders: bool = False, compact: bool = False
    ) -> None:
        super().__init__(
            value,
            placeholder=placeholder,
            suggester=PathSuggester(folders=folders),
            compact=compact,
        )
        self.cursor_blink = False

    def action_complete(self) -> None:
        """Accept the suggestion."""
        complete(self)
