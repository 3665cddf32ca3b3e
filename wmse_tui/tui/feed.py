"""One thread reads run directories; screens get the states of runs as messages.

A screen that watches a run with `watch` gets `RunChanged` at once and whenever its state changed; with
`watch_list` it gets `CatalogueChanged`, with `watch_files` `FilesChanged`. Nothing is posted while nothing
changes, so an idle app sends nothing, and while the display is frozen the newest states wait here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

from textual.message import Message
from textual.message_pump import MessagePump

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.activity import ActivityLine, ActivityLog
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.tui.refresh import RefreshRates

if TYPE_CHECKING:
    from wmse_tui.runs.table.index import RunIndex, RunRow

_SLICE = 0.04  # seconds of reading at once; between two slices the interface gets the interpreter
_YIELD = 0.005  # seconds
_CACHED = 4  # runs
_SELDOM = 5  # times the usual interval


class RunChanged(Message):
    """The run as it is now. `behind` is the share of a long log that was read so far, None at its end."""

    def __init__(self, run: RunDirectory, state: RunState, behind: float | None) -> None:
        super().__init__()
        self.run = run
        self.state = state
        self.behind = behind

    def can_replace(self, message: Message) -> bool:
        """Whether `message`, the next in the queue, makes this one obsolete."""
        return isinstance(message, RunChanged) and message.run == self.run


class RunUnreadable(Message):
    """The run's log cannot be read; `reason` is a sentence. The feed continues to try."""

    def __init__(self, run: RunDirectory, reason: str) -> None:
        super().__init__()
        self.run = run
        self.reason = reason


class CatalogueChanged(Message):
    """Every run under the root, newest first; `loading` runs have not been read yet."""

    def __init__(self, rows: tuple[RunRow, ...], loading: int, problem: str = "") -> None:
        super().__init__()
        self.rows = rows
        self.loading = loading
        self.problem = problem

    def can_replace(self, message: Message) -> bool:
        """As in RunChanged."""
        return isinstance(message, CatalogueChanged)


class FilesChanged(Message):
    """Files that a screen depends on were written, added or removed."""

    def can_replace(self, message: Message) -> bool:
        """As in RunChanged."""
        return isinstance(message, FilesChanged)


class _Watcher(RunWatcher):
    """Reads the log of one run, for the screens that watch it and for the list."""

    def __init__(self, run: RunDirectory) -> None:
        self.identity = _identity(run)  # there may be another run of the same name later
        self.activity = ActivityLog()
        self.state: RunState | None = None  # of the last poll
        super().__init__(run, records=self.activity)

    def poll(self, *, budget_seconds: float | None = None) -> RunState:
        """As of RunWatcher."""
        self.state = super().poll(budget_seconds=budget_seconds)
        return self.state


@dataclass(slots=True)
class _WatchedFiles:
    versions: Callable[[], object]
    known: object
    due: float  # when they are checked again


@dataclass(slots=True)
class _Watched:
    run: RunDirectory
    watcher: _Watcher
    listeners: dict[MessagePump, object] = field(default_factory=dict)  # with the value posted last
    value: object = None  # the state, or why the log cannot be read
    message: RunChanged | RunUnreadable | None = None


class Feed:
    """A thread that reads logs and posts changes. Every method may be called from any thread."""

    def __init__(self, root: Path, rates: RefreshRates) -> None:
        self.root = root
        self.rates = rates
        self._index: RunIndex | None = None  # made when a list is first watched
        self._guard = threading.Lock()
        self._watched: dict[Path, _Watched] = {}
        self._watchers: WeakValueDictionary[Path, _Watcher] = WeakValueDictionary()
        self._cached: dict[Path, _Watched] = {}  # no longer watched, the latest last
        self._list_listeners: dict[MessagePump, object] = {}
        self._seldom: WeakSet[MessagePump] = WeakSet()  # those of the listeners that can wait
        self._list: CatalogueChanged | None = None
        self._list_age = 0.0
        self._list_next = 0.0  # when a list that is still being read may be posted again
        self._files: dict[MessagePump, _WatchedFiles] = {}
        self._wake = threading.Event()
        self._closed = False
        self._frozen = False
        self._thread = threading.Thread(target=self._work, name="feed", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and wait for it briefly."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    @property
    def frozen(self) -> bool:
        """Whether messages are held back."""
        return self._frozen

    @property
    def rows(self) -> tuple[RunRow, ...]:
        """The list as it was last read, also while messages are held back."""
        known = self._list
        return () if known is None else known.rows

    @property
    def watched(self) -> tuple[RunDirectory, ...]:
        """The runs that a screen follows."""
        with self._guard:
            return tuple(watched.run for watched in self._watched.values())

    def watch(self, run: RunDirectory, listener: MessagePump) -> None:
        """Post the state of this run to `listener`: at once, and at every change."""
        with self._guard:
            watched = self._watched.get(run.path)
            if watched is None:
                watched = self._cached.pop(run.path, None)
                if watched is None or watched.watcher.identity != _identity(run):
                    watched = _Watched(run, self._watcher(run))
                self._watched[run.path] = watched
            watched.listeners[listener] = None
        self._wake.set()

    def unwatch(self, run: RunDirectory, listener: MessagePump) -> None:
        """Post nothing more of this run to `listener`.

        A run without listeners is not read. What was read of the last few is cached, so that a screen that
        comes back need not wait for a long log once more.
        """
        with self._guard:
            watched = self._watched.get(run.path)
            if watched is None:
                return
            watched.listeners.pop(listener, None)
            if not watched.listeners:
                self._cached[run.path] = self._watched.pop(run.path)
                while len(self._cached) > _CACHED:
                    del self._cached[next(iter(self._cached))]

    def activity(self, run: RunDirectory) -> tuple[ActivityLine, ...]:
        """The activity of a watched run as far as its log was read; the same tuple where nothing is new."""
        with self._guard:
            watched = self._watched.get(run.path)
        return () if watched is None else watched.watcher.activity.lines()

    def _watcher(self, run: RunDirectory) -> _Watcher:
        """The watcher that the run has already, or a new one; called with the guard."""
        watcher = self._watchers.get(run.path)
        if watcher is None or watcher.identity != _identity(run):
            watcher = self._watchers[run.path] = _Watcher(run)
        return watcher

    def _watcher_of_list(self, run: RunDirectory) -> RunWatcher:
        """That of the screens, which reads the whole log for the activity; or from a digest on."""
        with self._guard:
            if run.path in self._watchers or not run.digest.exists():
                return self._watcher(run)
        return RunWatcher(run)

    def last_state(self, path: str) -> RunState | None:
        """The state of a run when it was last read; None for a run that is not followed."""
        with self._guard:
            watcher = self._watchers.get(Path(path))
        return None if watcher is None else watcher.state

    def watch_list(self, listener: MessagePump, *, seldom: bool = False) -> None:
        """Post the list of runs to `listener`: at once, and at every change.

        `seldom`: while no other listener needs it, the list is read five times less often.
        """
        with self._guard:
            self._list_listeners[listener] = None
            if seldom:
                self._seldom.add(listener)
            self._list_age = float("inf")
        self._wake.set()

    def unwatch_list(self, listener: MessagePump) -> None:
        """Post the list to `listener` no more."""
        with self._guard:
            self._list_listeners.pop(listener, None)

    def watch_files(self, versions: Callable[[], object], listener: MessagePump) -> None:
        """Post `FilesChanged` to `listener` when what `versions` returns has changed; the thread calls it."""
        files = _WatchedFiles(versions, versions(), 0.0)
        with self._guard:
            self._files[listener] = files

    def unwatch_files(self, listener: MessagePump) -> None:
        """Post `FilesChanged` to `listener` no more."""
        with self._guard:
            self._files.pop(listener, None)

    def nudge(self) -> None:
        """Poll now: something was just requested or changed."""
        with self._guard:
            self._list_age = float("inf")
        self._wake.set()

    def freeze(self, frozen: bool) -> None:
        """Hold all messages back, or post the newest."""
        self._frozen = frozen
        self._wake.set()

    def _work(self) -> None:
        while not self._closed:
            busy = self._poll_runs()
            busy = self._poll_list() or busy
            self._poll_files()
            self._wake.wait(_YIELD if busy else self.rates.poll)
            self._wake.clear()
            self._list_age += self.rates.poll

    def _poll_runs(self) -> bool:
        with self._guard:
            every = tuple(self._watched.values())
        busy = False
        for watched in every:
            busy = self._poll(watched) or busy
            if not self._frozen and watched.message is not None:
                self._post(watched.listeners, watched.value, watched.message)
        return busy

    def _poll(self, watched: _Watched) -> bool:
        try:
            state = watched.watcher.poll(budget_seconds=_SLICE)
        except RunsError as error:
            reason = f"{error.title}: {error.detail}" if error.detail else error.title
            if watched.value != reason:
                watched.value, watched.message = reason, RunUnreadable(watched.run, reason)
            return False
        behind = watched.watcher.behind
        first = watched.message is None
        # While a long log is read, a state now and then is enough: drawing takes time from reading.
        if state is not watched.value and (first or behind is None or _worth(watched.message, behind)):
            watched.value, watched.message = state, RunChanged(watched.run, state, behind)
        return behind is not None

    def _poll_list(self) -> bool:
        with self._guard:
            watched = bool(self._list_listeners)
            patient = all(listener in self._seldom for listener in self._list_listeners)
            due = self._list_age >= self.rates.catalogue * (_SELDOM if patient else 1)
        if not watched or not (due or (self._list is not None and self._list.loading)):
            return False
        self._list_age = 0.0
        if self._index is None:
            from wmse_tui.runs.table.index import RunIndex

            self._index = RunIndex(self.root, watch=self._watcher_of_list)
        try:
            rows, problem = self._index.refresh(budget_seconds=_SLICE), ""
        except RunsError as error:
            rows, problem = (), f"{error.title}: {error.detail}" if error.detail else error.title
        loading = 0 if problem else self._index.loading
        known, now = self._list, time.monotonic()
        # While many logs are read, a list now and then is enough: drawing it takes time from reading.
        soon = known is not None and known.loading and loading and now < self._list_next
        posted = None if known is None else (known.rows, known.loading, known.problem)
        if posted != (rows, loading, problem) and not soon:
            self._list = CatalogueChanged(rows, loading, problem)
            self._list_next = now + self.rates.text
        if not self._frozen and self._list is not None:
            self._post(self._list_listeners, self._list, self._list)
        return loading > 0

    def _poll_files(self) -> None:
        """Check the files as often as the list; with those of a frozen display wait until it is not."""
        now = time.monotonic()
        with self._guard:
            due = [] if self._frozen else [item for item in self._files.items() if item[1].due <= now]
        for listener, files in due:
            before, files.known, files.due = files.known, files.versions(), now + self.rates.catalogue
            if files.known != before:
                listener.post_message(FilesChanged())

    def _post(self, listeners: dict[MessagePump, object], value: object, message: Message) -> None:
        with self._guard:
            late = [listener for listener, last in listeners.items() if last is not value]
            for listener in late:
                listeners[listener] = value
        for listener in late:
            listener.post_message(_copy(message))


def _worth(last: Any, behind: float) -> bool:
    """Whether enough more of a long log was read for another message."""
    return not isinstance(last, RunChanged) or last.behind is None or behind - last.behind >= 0.2


def _copy(message: Message) -> Message:
    """A message of its own for each listener: Textual stores queueing state in the object."""
    match message:
        case RunChanged():
            return RunChanged(message.run, message.state, message.behind)
        case RunUnreadable():
            return RunUnreadable(message.run, message.reason)
        case CatalogueChanged():
            return CatalogueChanged(message.rows, message.loading, message.problem)
    return message


def _identity(run: RunDirectory) -> object:
    try:
        status = run.config.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
