"""All runs under one root, and the run that a person means."""

from __future__ import annotations

import difflib
import errno
import os
from bisect import insort
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import NotARun, RunAmbiguous, RunNotFound, StorageError
from wmse_tui.runs.log.reader import first_time
from wmse_tui.runs.ownership import opening_steps
from wmse_tui.runs.text.sanitize import safe

_SHOWN = 8  # ids in an error text


def list_runs(root: Path) -> tuple[RunDirectory, ...]:
    """The runs under `root` that can be read, newest first (`age_key`); none where `root` does not exist.

    Raises:
        StorageError: `root` is there and cannot be read.
    """
    return tuple(_newest_first(root))


def runs_by_id(root: Path) -> dict[str, RunDirectory]:
    """The runs under `root` that can be read, in no particular order: no log is opened.

    Raises:
        StorageError: `root` is there and cannot be read.
    """
    return {run.id: run for _, run in _made_under(root) if run.has_folders()}


def age_key(run_id: str, made: int, started: float | None) -> tuple[float, int, str]:
    """What runs are sorted by, the newest being the greatest.

    A run began when its configuration was put in place, or earlier by its first record: a copy of
    a run is as old as the run, though its files are new. So the key without `started` is never too small.

    Args:
        made: when the configuration was put in place, in nanoseconds.
        started: time of the first record, in unix seconds; None: there is none, or it was not read.
    """
    return made if started is None else min(made, started * 1e9), made, run_id


def _newest_first(root: Path, beginning: str = "") -> Iterator[RunDirectory]:
    """The runs under `root` whose names begin so; logs are opened only as far as runs are used.

    Raises:
        StorageError: `root` is there and cannot be read.
    """
    waiting = [(age_key(run.id, made, None), False, run) for made, run in _made_under(root, beginning)]
    waiting.sort(key=_key)
    while waiting:
        key, exact, run = waiting.pop()
        if not run.has_folders():
            continue
        if exact:
            yield run
        else:
            insort(waiting, (age_key(run.id, key[1], time_of_start(run)), True, run), key=_key)


def _key(candidate: tuple[tuple[float, int, str], bool, RunDirectory]) -> tuple[float, int, str]:
    return candidate[0]


def time_of_start(run: RunDirectory) -> float | None:
    """The time of the run's first record, in unix seconds; None without one that can be read."""
    try:
        return first_time(run.events)
    except StorageError:
        return None


def _made_under(root: Path, beginning: str = "") -> Iterator[tuple[int, RunDirectory]]:
    """What has a configuration under `root` and such a name, with its time, at one status call each.

    Raises:
        StorageError: `root` is there and cannot be read.
    """
    try:
        with os.scandir(root) as entries:
            found = [(entry.name, entry.is_symlink()) for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError.of("list the runs", root, error) from error
    here = root.resolve()
    listed: set[Path] = set()
    for name, linked in sorted(found, key=lambda entry: entry[1]):
        if not linked and not name.startswith(beginning):
            continue
        try:
            run = directory_at(root / name) if linked else RunDirectory(here / name)
        except (OSError, RuntimeError):
            continue  # a link to itself, or through a folder that is closed to this user
        if linked and not (run.id.startswith(beginning) or name == beginning):
            continue
        made = run.made()
        if made is not None and run.path not in listed:  # a run and a link to it are one
            listed.add(run.path)
            yield made, run


def directory_at(path: Path) -> RunDirectory:
    """The directory at `path`, or that to which a link there leads. Raises OSError, RuntimeError."""
    return RunDirectory(path.resolve(), link=path if path.is_symlink() else None)


def unreadable_runs(root: Path) -> dict[str, str]:
    """Directories under `root` that this process may not look into, with the reason. Never raises."""
    reasons = {}
    with suppress(OSError):
        for entry in sorted(root.iterdir()):
            reason = "" if entry.name.startswith(".") else RunDirectory(entry).unreadable()
            if reason and not entry.is_symlink():
                reasons[entry.name] = reason
    return reasons


def resolve_run(root: Path, text: str) -> RunDirectory:
    """The run that `text` means: an id, the beginning of one, `last` (the newest), or a path.

    Raises:
        RunNotFound: no run; the text of the error names the nearest ids.
        RunAmbiguous: several; the text lists them.
        NotARun: a path to something else.
        StorageError: it is there and cannot be read.
    """
    if os.sep in text or text in (".", "..") or text.startswith("~"):
        return _at_path(text)
    _refuse_unreadable(root / text)
    if text == "last":
        newest = next(_newest_first(root), None)
        if newest is not None:
            return newest
    elif text and not text.startswith("."):
        beginning = list(_newest_first(root, text))
        named = [run for run in beginning if text == run.id or (run.link and text == run.link.name)]
        candidates = named or beginning
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            names = _names([run.id for run in candidates])
            raise RunAmbiguous(f"several runs begin with {safe(text, 80)!r}", names)
    runs = list_runs(root)
    where = safe(str(root), 200)
    if not runs:
        first = "start one: wmse-tui run --preset quickstart"
        raise RunNotFound(
            "there are no runs yet",
            f"searched {where}",
            next=(first, "name their folder: --runs-dir DIR"),
        )
    nearest = difflib.get_close_matches(text, ["last", *(run.id for run in runs)], n=3, cutoff=0.5)
    meant = (f"did you mean {' or '.join(nearest)}?",) if nearest else ()
    listing = "list them: wmse-tui runs"
    raise RunNotFound(f"there is no run {safe(text, 80)!r}", f"searched {where}", next=(*meant, listing))


def _at_path(text: str) -> RunDirectory:
    try:
        path = Path(text).expanduser()
        there = path.exists()
        run = directory_at(path)
    except PermissionError:
        there, run = True, RunDirectory(path)
    # A zero byte, a name that is too long, the home of an unknown user: there can be no such path.
    except (ValueError, RuntimeError, OSError):
        there = False
    if not there:
        raise RunNotFound("there is no such directory", safe(text, 200))
    _refuse_unreadable(run.path)
    if not run.is_run():
        raise NotARun(
            "this directory is not a run", f"{safe(str(path), 200)} has no config.yaml with control/"
        )
    return run


def _refuse_unreadable(path: Path) -> None:
    try:
        reason = RunDirectory(path).unreadable()
    except ValueError:  # a zero byte
        return
    if reason:
        raise StorageError(
            f"the run {safe(path.name, 80)!r} cannot be read",
            f"{safe(str(path), 200)}: {reason}",
            next=opening_steps(path) if reason.startswith(os.strerror(errno.EACCES)) else (),
        )


def _names(ids: list[str]) -> str:
    more = len(ids) - _SHOWN
    return ", ".join(safe(each, 80) for each in ids[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
