"""All runs under one root as rows of a list, cheap to refresh.

The row of a run that has ended is in the digest beside its log; of other logs what follows the digest is
read, and all of one without. After that only its size and time are checked (and those of trainer.json and
queue.lock), and the run lock where the log has no exit event; and of a directory in which no file was made or
replaced for a while, only the time of its last change. The rows of runs with an exit event are stored in the
cache folder, for the next program that lists them.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from wmse_tui.config.locations import cache_dir
from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, StorageError
from wmse_tui.runs.log.events import Fraction, Number
from wmse_tui.runs.process.liveness import gather_evidence, status_of
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.state.config import summarise
from wmse_tui.runs.state.digest import read_digest
from wmse_tui.runs.state.highlights import Highlights, highlights_of
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import EXITED, Status
from wmse_tui.runs.state.verdict import VerdictName
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.table.cache import DiskCache, Stamp
from wmse_tui.runs.table.catalogue import age_key, directory_at, time_of_start

_WITHOUT_EXIT_EVENT: tuple[Status, ...] = ("new", "crashed")  # not training as long as the lock is free
_SAVED_EVERY = 50  # newly read runs
_SCAN_SECONDS = 1.0  # between two listings while logs are being read
_SETTLED_SECONDS = 2.0  # since the last change of a directory: a later one has another time
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
    lr: Number = 0.0  # 0: unknown
    host: str = ""  # these two of the latest attempt
    device: str = ""
    attempt: int = 0
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    total_steps: int = field(default=0, compare=False)  # of the whole run; 0: not counted yet
    loss: Number | None = None
    sparkline: tuple[Number, ...] = ()  # the loss of the whole run, in a few buckets
    best_knn: Fraction | None = None
    best_linear: Fraction | None = None
    final_knn: Fraction | None = None  # of the last evaluation
    final_linear: Fraction | None = None
    origin: str = field(default="", compare=False)  # equal for copies of one run, see `origin_of`
    verdict: VerdictName = "unknown"
    # By name, of `highlights.RESULTS`; they change only when `updated` does.
    results: tuple[tuple[str, Number], ...] = field(default=(), compare=False)
    started: Number | None = None
    updated: Number | None = None
    ended: Number | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    problem: str = ""  # why the log cannot be read
    link: str = ""  # through which the run is listed


_FORMAT = " ".join(("1", *(field.name for field in fields(RunRow))))
"""The format of the cached rows: a number, raised when a field means something else, and the fields."""


def run_row(
    state: RunState, annotations: Annotations = _NO_ANNOTATIONS, highlights: Highlights | None = None
) -> RunRow:
    """The row of the run, with its annotations; `highlights` where they are known already."""
    about, setup = state.summary, state.setup
    found = highlights_of(state) if highlights is None else highlights
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
        lr=about.lr,
        host=setup.host if setup is not None else "",
        device=setup.device if setup is not None else "",
        attempt=state.attempt,
        epoch=state.epoch,
        epochs=state.epochs,
        step=state.step,
        total_steps=state.total_steps,
        loss=found.loss,
        sparkline=found.sparkline,
        best_knn=found.best_knn,
        best_linear=found.best_linear,
        final_knn=found.final_knn,
        final_linear=found.final_linear,
        origin=found.origin,
        verdict=found.verdict,
        results=found.results,
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
    changed: int  # when a file in its directory was last made, replaced or removed
    settled: Stamp | None = (
        None  # of the directory, and the log where it has no exit event, if nothing else can change
    )
    watcher: RunWatcher | None = None
    stamp: Stamp = ()  # of log, trainer.json and queue.lock before the row was made of them
    row: RunRow | None = None
    uncached: bool = False  # no row of it is in the cache folder
    began: float | None = None  # by its first record; used until there is a row
    annotations: Annotations = _NO_ANNOTATIONS
    annotated: Stamp = ()

    @property
    def age_key(self) -> tuple[float, int, str]:
        """As in the catalogue."""
        return age_key(self.run.id, self.made, self.began if self.row is None else self.row.started)

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
        self._cache = DiskCache(cache or cache_dir() / "digests" / f"{name}.json", RunRow, version=_FORMAT)
        self._on_disk: dict[str, tuple[Stamp, RunRow]] | None = None
        self._runs: dict[tuple[str, int], _Run] = {}
        self._newest_first: list[_Run] = []
        self._scanned = 0.0
        self._unsaved = 0
        self._rows: tuple[RunRow, ...] = ()

    @property
    def runs(self) -> tuple[RunDirectory, ...]:
        """The runs of the last refresh, newest first, those without a row included."""
        return tuple(known.run for known in self._newest_first)

    def refresh(self, budget_seconds: float | None = None) -> tuple[RunRow, ...]:
        """The runs as they are now, newest first; the identical tuple where nothing changed.

        Args:
            budget_seconds: how long to read logs. What was not read in that time is read by the next calls; a
                run that was never read to its end is left out until then.

        Raises:
            StorageError: the root is there and cannot be read.
        """
        deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
        if not self.loading or time.monotonic() - self._scanned >= _SCAN_SECONDS:
            self._scan()
            self._scanned = time.monotonic()
        runs = self._newest_first
        stale = [known for known in runs if self._is_stale(known)]
        stale.sort(key=_age_key, reverse=True)
        begun = False
        for known in sorted(stale, key=_urgency):
            if known.started_over and begun and deadline is not None and time.monotonic() >= deadline:
                break
            begun = begun or known.started_over
            self._read(known, deadline)
        self.loading = sum(known.started_over and not _is_broken(known) for known in stale)
        # All rows are written at once: while many are read, each time after as many more as there were.
        if self._unsaved >= (max(_SAVED_EVERY, len(self._rows) // 2) if self.loading else 1):
            self._save()
        runs.sort(key=_age_key, reverse=True)
        rows = tuple(known.row for known in runs if known.row is not None)
        if rows != self._rows:
            self._rows = rows
        return self._rows

    def _scan(self) -> None:
        """Find the runs that were added, changed and removed: one listing, one status call for each."""
        try:
            with os.scandir(self.root) as entries:
                found = [(e.name, e.inode(), _changed(e)) for e in entries if not e.name.startswith(".")]
        except FileNotFoundError:
            found = []
        except OSError as error:
            raise StorageError.of("list the runs", self.root, error) from error
        before, self._runs = self._runs, {}
        replaced_any = False
        for name, inode, changed in found:
            known = before.get((name, inode))
            unread = known is not None and known.row is None and known.uncached
            if known is None or known.changed != changed or (known.settled is None and not unread):
                made = None if known is None else known.run.made()
                if known is None or made is None:
                    known, replaced = _new(self.root / name, changed), known
                    replaced_any = replaced_any or replaced is not known
                else:
                    known.made, known.changed = made, changed  # one that is copied here gets its times last
                    known.settled = None
            if known is not None:
                self._runs[name, inode] = known
        if replaced_any or self._runs.keys() != before.keys():
            self._newest_first = _without_links(self._runs.values())

    def _is_stale(self, known: _Run) -> bool:
        """Whether the log must be read; changed annotations are read here."""
        if known.settled is not None and known.settled == _settled_stamp(known):
            return False
        known.settled = None
        if known.row is None and known.uncached:  # its turn to be read has not come
            return True
        annotated = _stamp(known.run.annotations)
        if annotated != known.annotated:
            known.annotated, known.annotations = annotated, read_annotations(known.run)
            if known.row is not None:
                known.row = _with_annotations(known.row, known.annotations)
        stamp = _run_stamp(known.run)
        if known.row is None:
            self._load_cached(known, stamp)
            known.uncached = known.row is None
            known.began = time_of_start(known.run) if known.uncached else None
        if known.row is None or known.stamp != stamp or not _is_idle(known, known.row):
            return True
        known.watcher = None  # nothing will be added, and its state may be large
        if time.time() - known.changed / 1e9 > _SETTLED_SECONDS:
            known.settled = _settled_stamp(known)
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
        row = _row_of_digest(known) if known.watcher is None else None
        if row is not None:
            known.row, known.stamp = row, stamp
            self._unsaved += 1
            return
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


def _row_of_digest(known: _Run) -> RunRow | None:
    """The row of a run whose digest is of the whole log and whose last attempt has ended; else None."""
    digest = read_digest(known.run, brief=True)
    if digest is None or digest.highlights is None or digest.state.exit is None:
        return None
    if not digest.position.point.is_end_of(known.run.events):
        return None
    status, reason = status_of(digest.state, gather_evidence(known.run))
    if status not in EXITED:
        return None
    state = replace(digest.state, status=status, status_reason=reason)
    row = run_row(state, known.annotations, digest.highlights)
    return replace(row, link=_text(known.run.link))


def _new(path: Path, changed: int) -> _Run | None:
    try:
        run = directory_at(path)
    except (OSError, RuntimeError):
        return None  # a link to itself, or through a folder that is closed to this user
    made = run.made() if run.has_folders() else None
    return None if made is None else _Run(run, made, changed)


def _without_links(every: Collection[_Run]) -> list[_Run]:
    """A run and a link to it are one."""
    real = {known.run.path for known in every if known.run.link is None}
    return [known for known in every if known.run.link is None or known.run.path not in real]


def _age_key(known: _Run) -> tuple[float, int, str]:
    return known.age_key


def _text(link: Path | None) -> str:
    return "" if link is None else str(link)


def _changed(entry: os.DirEntry[str]) -> int:
    """When the content of a directory last changed, in nanoseconds; -1 where that is unknown."""
    try:
        return entry.stat().st_mtime_ns
    except OSError:
        return -1


def _settled_stamp(known: _Run) -> Stamp:
    """Stays the same as long as nothing happens to a run that no process trains.

    To resume, queue or annotate it makes or replaces a file. Only a log without an exit event may still grow,
    by a trainer on another machine.
    """
    ended = known.row is not None and known.row.status in EXITED
    return (known.changed,) if ended else (known.changed, *_stamp(known.run.events))


def _urgency(known: _Run) -> tuple[bool, bool]:
    """What is quick comes first, and what could not be read last: it must not keep others from their turn."""
    return known.started_over, _is_broken(known)


def _is_broken(known: _Run) -> bool:
    return known.row is not None and known.row.problem != ""


def _is_idle(known: _Run, last: RunRow) -> bool:
    """Whether no process trains the run, judged by its lock; `last` is the row of the log as it is."""
    if last.status in ("stopped", "failed", *_WITHOUT_EXIT_EVENT) and known.run.slurm_job.exists():
        return False  # its job may wait, or never start, which changes no file
    if last.status in EXITED:  # a trainer that resumes it changes trainer.json
        return True
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
