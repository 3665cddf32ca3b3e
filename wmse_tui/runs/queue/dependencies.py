"""The runs that a queued run waits for (`--after`)."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.queue import standby
from wmse_tui.runs.queue.standby import Condition
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import FAILURES
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.text.sanitize import safe

TIMED_SECONDS = 60.0
"""Until a run is judged again that has no trainer visible here, and a status that depends on the time."""
UNTIMED_SECONDS = 3600.0
"""The same for any other: a change of its files shows what happens to it."""


class Dependencies:
    """The runs that must complete first; the log of each is read when its trainer has ended.

    A stopped run, or one that was never started, may still complete, so waiting continues.
    """

    def __init__(self, runs: tuple[str, ...]) -> None:
        self._watchers = {path: RunWatcher(RunDirectory(Path(path))) for path in runs}
        self._conditions: dict[str, Condition] = {}
        self._judged_by_time = False

    def poll(self) -> tuple[bool, str]:
        """Whether all have completed, or else why they cannot ("" while they may)."""
        self._conditions.clear()
        self._judged_by_time = False
        for path, watcher in list(self._watchers.items()):
            run = watcher.run
            files = tuple(map(str, (run.config, run.trainer_json, run.events)))
            before = standby.state_of(*files)
            training = _is_trained(run)
            self._conditions[path] = standby.Ended(str(run.lock), "1" if training else "0", before, *files)
            if training or run.unreadable():
                continue  # unreadable: another user's, or a file server that comes back
            if not run.is_run():
                return False, f"it was to come after {safe(run.id, 64)}, which was removed"
            try:
                state = watcher.poll()
            except RunsError:
                continue  # perhaps the next poll can read it
            problem = blocking_failure(watcher, state)
            if problem:
                return False, f"it was to come after {problem}"
            if state.status == "completed":
                del self._watchers[path], self._conditions[path]
            elif state.status not in ("new", "queued", "stopped"):
                self._judged_by_time = True
        return not self._watchers, ""

    def conditions(self) -> list[Condition]:
        """What may change the answer of the last `poll`."""
        seconds = TIMED_SECONDS if self._judged_by_time else UNTIMED_SECONDS
        return [*self._conditions.values(), standby.Elapsed(str(seconds))]


def _is_trained(run: RunDirectory) -> bool:
    try:
        return standby.file_is_locked(str(run.lock))
    except OSError:
        return False


def blocking_failure(watcher: RunWatcher, state: RunState) -> str:
    """Why the run of the `watcher` will not complete, as "a, which has failed: ..."; "" where it may.

    Args:
        watcher: of the run.
        state: what it returned last.
    """
    if state.status not in FAILURES or watcher.crash_unconfirmed:
        return ""
    has = "diverged" if state.status == "diverged" else f"has {state.status}"
    why = f": {safe(state.status_reason, 200)}" if state.status_reason else ""
    return f"{safe(state.run_id, 64)}, which {has}{why}"
