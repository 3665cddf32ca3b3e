"""All runs under one root as rows of a list, cheap to refresh.

A log is read once. After that only its size and time are checked (and those of trainer.json and queue.lock),
and the run lock where the log has no exit event. The rows of runs with an exit event are stored in the cache
folder, so that the next program that lists them need not read their logs either.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from wmse_tui.config.locations import cache_dir
from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, StorageError
from wmse_tui.runs.log.events import Fraction, Number
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.state.config import summarise
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import EXITED, Status
from wmse_tui.runs.state.verdict import VerdictName, judge
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.table.cache import DiskCache, Stamp
from wmse_tui.runs.table.catalogue import directory_at
from wmse_tui.runs.table.copies import origin_of

SPARKS = 32
_WITHOUT_EXIT_EVENT: tuple[Status, ...] = ("new", "crashed")  # not training as long as the lock is free
_SAVED_EVERY = 50  # newly read runs
_NO_ANNOTATIONS = Annotations()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run as a list shows it; times are unix seconds, accuracies fractions."""

    run_id: str
    path: str
    status: Status
    status_reason: str = ""
    position: int = 0  # in the queue, from 1; 0 where it does not wait
    title: str = ""
    preset: str = ""
    method: str = ""
    dataset: str = ""
    arch: str = ""
    seed: int = 0
    host: str = ""  # these two of the latest attempt
    device: str = ""
    attempt: int = 0
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    loss: Number | None = None
    sparkline: tuple[Number, ...] = ()  # the loss of the whole run in at most SPARKS buckets
    best_knn: Fraction | None = None
    best_linear: Fraction | None = None
    final_knn: Fraction | None = None  # of the last evaluation
    final_linear: Fraction | None = None
    origin: str = field(default="", compare=False)  # equal for copies of one run, see `origin_of`
    verdict: VerdictName = "unknown"
    started: Number | None = None
    updated: Number | None = None
    ended: Number | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    problem: str = ""  # why the log cannot be read
    link: str = ""  # through which the run is listed


def run_row(state: RunState, annotations: Annotations = _NO_ANNOTATIONS) -> RunRow:
    """The row of the run, with its annotations."""
    about, setup = state.summary, state.setup
    best_knn, best_linear = state.best_knn, state.best_linear
    final = state.final
    return RunRow(
        run_id=state.run_id,
        path=state.path,
        status=state.status,
        status_reason=state.status_reason,
        position=state.position,
        title=about.title,
        preset=about.preset,
        method=about.method,
        dataset=about.dataset,
        arch=about.arch,
        seed=about.seed,
        host=setup.host if setup is not None else "",
        device=setup.device if setup is not None else "",
        attempt=state.attempt,
        epoch=state.epoch,
        epochs=state.epochs,
        step=state.step,
        loss=state.loss.last,
        sparkline=tuple(bucket.mean for bucket in state.loss.overview(SPARKS)),
        best_knn=best_knn.knn_top1 if best_knn is not None else None,
        best_linear=best_linear.linear_top1 if best_linear is not None else None,
        final_knn=final.knn_top1 if final is not None else None,
        final_linear=final.linear_top1 if final is not None else None,
        origin=origin_of(state),
        verdict=judge(state).name,
        started=state.started,
        updated=state.updated,
        ended=state.updated if state.ended else None,
        tags=annotations.tags,
        note=annotations.note,
    )


@dataclass(slots=True)
class _Run:
    """What is known of one run."""

    run: RunDirectory
    made: int  # when its configuration was put in place
    watcher: RunWatcher | None = None
    stamp: Stamp = ()  # of log, trainer.json and queue.lock before the row was made of them
    row: RunRow | None = None
    annotations: Annotations = _NO_ANNOTATIONS
    annotated: Stamp = ()

    @property
    def started_over(self) -> bool:
        """Whether its log is to be read from the beginning, or that has not come to the end yet."""
        return self.watcher is None or self.watcher.behind is not None


class RunIndex:
    """The runs under `root`, for one thread.

    Args:
        root: the folder of run directories.
        cache: the file for the rows of ended runs; None: in the cache folder, by root.
        watch: returns the watcher of a run, which may be shared.

    Attributes:
        loading: runs that have not been read to their end.
    """

    def __init__(
        self,
        root: Path,
        *,
        cache: Path | None = None,
        watch: Callable[[RunDirectory], RunWatcher] | None = None,
    ) -> None:
        self.root = root
        self._watch = watch or RunWatcher
        self.loading = 0
        name = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:32]
        self._cache = DiskCache(cache or cache_dir() / "digests" / f"{name}.json", RunRow)
        self._on_disk: dict[str, tuple[Stamp, RunRow]] | None = None
        self._runs: dict[tuple[str, int], _Run] = {}
        self._unsaved = 0
        self._rows: tuple[RunRow, ...] = ()

    def refresh(self, budget_seconds: float | None = None) -> tuple[RunRow, ...]:
        """The runs as they are now, newest first; the identical tuple where nothing changed.

        Args:
            budget_seconds: how long to read logs. What was not read in that time is read by the next calls; a
                run that was never read to its end is left out until then.

        Raises:
            StorageError: the root is there and cannot be read.
        """
        deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
        self._scan()
        runs = sorted(self._runs.values(), key=lambda known: (known.made, known.run.id), reverse=True)
        stale = [known for known in runs if self._is_stale(known)]
        begun = False
        for known in sorted(stale, key=lambda known: known.started_over):  # what is quick comes first
            if known.started_over and begun and deadline is not None and time.monotonic() >= deadline:
                break
            begun = begun or known.started_over
            self._read(known, deadline)
        self.loading = sum(known.started_over and not _is_broken(known) for known in stale)
        if self._unsaved >= (_SAVED_EVERY if self.loading else 1):
            self._save()
        rows = tuple(known.row for known in runs if known.row is not None)
        if rows != self._rows:
            self._rows = rows
        return self._rows

    def _scan(self) -> None:
        """Find the runs that were added and removed."""
        try:
            with os.scandir(self.root) as entries:
                found = [(entry.name, entry.inode()) for entry in entries if not entry.name.startswith(".")]
        except FileNotFoundError:
            found = []
        except OSError as error:
            raise StorageError.of("list the runs", self.root, error) from error
        before, self._runs = self._runs, {}
        for key in found:
            known = before.get(key)
            made = None if known is None else _made(known.run)
            if known is None or made is None:
                known = _new(self.root / key[0])
            else:
                known.made = made  # a run that is being copied here gets its times last
            if known is not None:
                self._runs[key] = known
        real = {known.run.path for known in self._runs.values() if known.run.link is None}
        self._runs = {
            key: known
            for key, known in self._runs.items()
            if known.run.link is None or known.run.path not in real
        }

    def _is_stale(self, known: _Run) -> bool:
        """Whether the log must be read; changed annotations are read here."""
        annotated = _stamp(known.run.annotations)
        if annotated != known.annotated:
            known.annotated, known.annotations = annotated, read_annotations(known.run)
            if known.row is not None:
                known.row = _with_annotations(known.row, known.annotations)
        stamp = _run_stamp(known.run)
        if known.row is None:
            self._load_cached(known, stamp)
        if known.row is None or known.stamp != stamp or not _is_idle(known, known.row):
            return True
        known.watcher = None  # nothing will be added, and its state may be large
        return False

    def _load_cached(self, known: _Run, stamp: Stamp) -> None:
        if self._on_disk is None:
            self._on_disk = self._cache.read()
        cached_stamp, cached = self._on_disk.get(known.run.id, ((), None))
        if cached is not None and cached_stamp == stamp and cached.status in EXITED:
            cached = replace(
                cached, run_id=known.run.id, path=str(known.run.path), link=_text(known.run.link)
            )
            known.row, known.stamp = _with_annotations(cached, known.annotations), stamp

    def _read(self, known: _Run, deadline: float | None) -> None:
        stamp = _run_stamp(known.run)
        known.watcher = known.watcher or self._watch(known.run)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            state, problem = known.watcher.poll(budget_seconds=left), ""
        except StorageError as error:
            problem = f"{error.title}: {error.detail}"
            about = summarise(known.run.config)
            state = RunState(run_id=known.run.id, path=str(known.run.path), summary=about, status="unknown")
            known.watcher = None
        if known.watcher is None or known.watcher.behind is None:
            known.row = replace(
                run_row(state, known.annotations),
                problem=problem,
                status_reason=state.status_reason or problem,
                link=_text(known.run.link),
            )
            known.stamp = stamp
            self._unsaved += state.status in EXITED

    def _save(self) -> None:
        self._unsaved = 0
        self._cache.write(
            {
                known.run.id: (known.stamp, replace(known.row, run_id="", path="", link="", tags=(), note=""))
                for known in self._runs.values()
                if known.row is not None and known.row.status in EXITED
            }
        )


def _new(path: Path) -> _Run | None:
    try:
        run = directory_at(path)
    except (OSError, RuntimeError):
        return None  # a link to itself, or through a folder that is closed to this user
    made = _made(run) if run.is_run() else None
    return None if made is None else _Run(run, made)


def _text(link: Path | None) -> str:
    return "" if link is None else str(link)


def _made(run: RunDirectory) -> int | None:
    try:
        return run.config.lstat().st_mtime_ns
    except OSError:
        return None  # removed just now


def _is_broken(known: _Run) -> bool:
    return known.row is not None and known.row.problem != ""


def _is_idle(known: _Run, last: RunRow) -> bool:
    """Whether no process trains the run, judged by its lock; `last` is the row of the log as it is."""
    if last.status in EXITED:
        return True  # a trainer that resumes it changes trainer.json
    try:
        return last.status in _WITHOUT_EXIT_EVENT and not held(known.run.lock)
    except (LocksUnsupported, StorageError):
        return False


def _with_annotations(row: RunRow, annotations: Annotations) -> RunRow:
    return replace(row, tags=annotations.tags, note=annotations.note)


def _run_stamp(run: RunDirectory) -> Stamp:
    """Changes whenever the run has news that its locks alone do not show."""
    return _stamp(run.events, run.trainer_json, run.queue_lock)


def _stamp(*paths: Path) -> Stamp:
    """Size and time of each file, -1 for one that is not there."""
    found: list[int] = []
    for path in paths:
        try:
            status = path.lstat()
            found += (status.st_size, status.st_mtime_ns)
        except OSError:
            found += (-1, -1)
    return tuple(found)
