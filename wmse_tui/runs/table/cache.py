"""Values that were made from files, cached in a private file with the sizes and times of those files.

A cache file that is missing, damaged, too large, of another version, program or user counts as empty.
A failure to write one is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import TypeAdapter

from wmse_tui.config.atomic import make_private_folder
from wmse_tui.runs.run_folder import RunFolder, publish_file

Value = TypeVar("Value")
Stamp: TypeAlias = tuple[int, ...]  # sizes and times of the files that a value was made from

_LARGEST = 64 * 1024 * 1024  # bytes


class DiskCache(Generic[Value]):
    """The file at `path`, which holds values of the type `kind` by name.

    Args:
        path: the file.
        kind: the type of the values.
        version: of what the values mean; another one's file counts as empty. It is not that of the program,
            which would make every new program begin with an empty cache.
    """

    def __init__(self, path: Path, kind: type[Value], *, version: str) -> None:
        self.path = path
        self._version = version
        self._adapter: TypeAdapter[Any] = TypeAdapter(tuple[str, dict[str, tuple[Stamp, kind]]])  # type: ignore[valid-type]

    def read(self) -> dict[str, tuple[Stamp, Value]]:
        """The cached values; each is checked to be of its type."""
        try:
            with RunFolder(self.path.parent, own=True) as folder:  # others could claim any result
                content = folder.read(self.path.name, _LARGEST)
            version, found = self._adapter.validate_json(content, strict=True)
        except (OSError, ValueError):  # ValidationError is a ValueError
            return {}
        return found if version == self._version else {}

    def write(self, values: Mapping[str, tuple[Stamp, Value]]) -> None:
        """Store `values` in place of all others."""
        with suppress(OSError, ValueError):  # a lone surrogate in a name is no text
            content = self._adapter.dump_json((self._version, dict(values)))
            make_private_folder(self.path.parent)
            publish_file(self.path, content)
