"""The content of a folder of images: its files, its class folders, and what was skipped."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.config.datasets import IMAGE_EXTENSIONS
from wmse_tui.engine.data.sources.disk import refuse_os
from wmse_tui.engine.errors import DataError
from wmse_tui.runs.text.sanitize import safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The image files below a folder, sorted by name; paths are plain strings, as there may be millions.

    Args:
        folder: that holds them.
        top: the image files directly in it.
        groups: for each folder directly in it that holds images, at any depth: its name and its files.
        nested: names of those groups whose images are all deeper than in the group's own folder.
        empty: names of folders directly in it that hold no images.
        ignored: how many files of each extension were skipped.
    """

    folder: Path
    top: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    nested: tuple[str, ...]
    empty: tuple[str, ...]
    ignored: tuple[tuple[str, int], ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All image files: those on top, then group by group."""
        return self.top + tuple(path for _, paths in self.groups for path in paths)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(name for name, _ in self.groups)

    def shape(self) -> str:
        """What was found, as text for errors and notices."""
        parts = []
        if self.top:
            parts.append(f"{count_text(len(self.top), 'image')} directly in it")
        if self.groups:
            inside = count_text(sum(len(paths) for _, paths in self.groups), "image")
            parts.append(f"{count_text(len(self.groups), 'folder')} with {inside} ({listing(self.names)})")
        return " and ".join(parts) or "no images"

    def notices(self) -> tuple[str, ...]:
        """Notices of what was skipped."""
        notices = []
        if self.empty:
            notices.append(f"{self.folder}: folders without images are ignored: {listing(self.empty)}")
        if self.ignored:
            kinds = listing(
                tuple(f"{count} {extension or 'without extension'}" for extension, count in self.ignored)
            )
            notices.append(f"{self.folder}: files that are no images by their names are ignored: {kinds}")
        return tuple(notices)


def scan(folder: Path, only: Collection[str] | None = None, *, named: Collection[str] = ()) -> Tree:
    """List the images below `folder`, following links but no folder twice; hidden names are skipped.

    Args:
        folder: to scan.
        only: names of the folders directly in it to include; None: all.
        named: files that are listed also where they have been removed, so that the others keep their indices.

    Raises:
        DataError: `folder` is no readable folder.
    """
    require_folder(folder)
    ignored: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()
    by_folder: dict[str, set[str]] = {}
    for path in named:
        parent, _, name = path.rpartition("/")
        by_folder.setdefault(parent, set()).add(name)
    groups, nested, empty = [], [], []
    try:
        _first_visit(str(folder), seen)
        folders, names = _entries(str(folder), ignored, by_folder)
        for name in folders:
            if (only is not None and name not in only) or not _first_visit(f"{folder}/{name}", seen):
                continue
            files = tuple(_walk(f"{folder}/{name}", seen, ignored, by_folder))
            if not files:
                empty.append(name)
                continue
            groups.append((name, files))
            if "/" in files[0][len(f"{folder}/{name}/") :]:  # its own files come first, if it has any
                nested.append(name)
    except OSError as error:
        refuse_os(error, Path(error.filename or folder), "read the images")
    return Tree(
        folder=folder,
        top=tuple(f"{folder}/{name}" for name in names),
        groups=tuple(groups),
        nested=tuple(nested),
        empty=tuple(empty),
        ignored=tuple(sorted(ignored.items())),
    )


def spelt(root: Path, names: Collection[str]) -> tuple[Path, ...]:
    """The folders in `root` that are named so, in capitals or not: by the order of `names`, exact ones first.

    Raises:
        DataError: `root` is no readable folder.
    """
    order = {name: position for position, name in enumerate(names)}
    found = [name for name in _folders(root) if name.lower() in order]
    found.sort(key=lambda name: (order[name.lower()], name != name.lower(), name))
    return tuple(root / name for name in found)


def beside(root: Path, used: Collection[Path]) -> tuple[str, ...]:
    """Notices of what is in `root` beside the folders that are used: each with its images.

    Raises:
        DataError: `root` is no readable folder.
    """
    others = [
        name
        for name in _folders(root)
        if not any(os.path.samefile(root / name, folder) for folder in used)  # noqa: PTH121
    ]
    tree = scan(root, others)
    notices = [
        f"{root / name} is not used: it holds {count_text(len(paths), 'image')}"
        for name, paths in tree.groups
    ]
    if tree.top:
        notices.append(f"not used: {count_text(len(tree.top), 'image')} directly in {root}")
    if tree.empty:
        notices.append(f"{root}: folders without images are ignored: {listing(tree.empty)}")
    return tuple(notices)


def _folders(root: Path) -> list[str]:
    require_folder(root)
    try:
        return _entries(str(root), Counter(), {})[0]
    except OSError as error:
        refuse_os(error, root, "read the images")


def require_folder(folder: Path) -> None:
    """Refuse what is no folder, or below one that this user may not enter.

    Raises:
        DataError: with the reason.
    """
    try:
        kind = folder.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_folder(folder, "it does not exist") from error
    except OSError as error:
        refuse_os(error, folder, "read the images")
    if not stat.S_ISDIR(kind):
        raise _no_folder(folder, "it is a file")


def _no_folder(folder: Path, state: str) -> DataError:
    return DataError(
        f"no folder {folder}",
        state,
        next=(
            "check the path: --set dataset.root=/path/to/images",
            "if the images were moved: wmse-tui resume RUN --set dataset.root=/where/they/are",
        ),
    )


def listing(items: tuple[str, ...], limit: int = 5) -> str:
    """The first few of many names, and how many more there are."""
    more = f" and {len(items) - limit:,} more" if len(items) > limit else ""
    return ", ".join(map(safe, items[:limit])) + more


def count_text(count: int, noun: str, plural: str = "") -> str:
    """1 image, 12,000 images."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def _walk(
    folder: str, seen: set[tuple[int, int]], ignored: Counter[str], named: Mapping[str, set[str]]
) -> Iterator[str]:
    """All images below `folder`: its own first, then folder by folder."""
    folders, files = _entries(folder, ignored, named)
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        if _first_visit(f"{folder}/{name}", seen):
            yield from _walk(f"{folder}/{name}", seen, ignored, named)


def _entries(
    folder: str, ignored: Counter[str], named: Mapping[str, set[str]]
) -> tuple[list[str], list[str]]:
    """The names of the folders and of the image files directly in `folder`, sorted.

    `named` are names by folder that count as files in it.
    """
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            extension = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - millions of files
            if entry.is_dir():
                folders.append(entry.name)
            elif extension in IMAGE_EXTENSIONS:
                files.append(entry.name)
            else:
                ignored[extension] += 1
    return sorted(folders), sorted({*files, *named.get(folder, ())})


def _first_visit(folder: str, seen: set[tuple[int, int]]) -> bool:
    """False for a link back up, or for a second path to the same folder."""
    status = os.stat(folder)  # noqa: PTH116
    identity = status.st_dev, status.st_ino
    if identity in seen:
        return False
    seen.add(identity)
    return True
