"""The runs that a queued run waits for (`--after`)."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import FAILURES
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.text.sanitize import safe


class Dependencies:
    """The runs that must complete first; the log of each is read once and then followed.

    A stopped run, or one that was never started, may still complete, so waiting continues.
    """

    def __init__(self, runs: tuple[str, ...]) -> None:
        self._watchers = {path: RunWatcher(RunDirectory(Path(path))) for path in runs}

    def poll(self) -> tuple[bool, str]:
        """Whether all have completed, or else why they cannot ("" while they may)."""
        for path, watcher in list(self._watchers.items()):
            if watcher.run.unreadable():
                continue  # another user's, or a file server that comes back
            if not watcher.run.is_run():
                return False, f"it was to come after {safe(watcher.run.id, 64)}, which was removed"
            try:
                state = watcher.poll()
            except RunsError:
                continue  # perhaps the next poll can read it
            problem = blocking_failure(watcher, state)
            if problem:
                return False, f"it was to come after {problem}"
            if state.status == "completed":
                del self._watchers[path]
        return not self._watchers, ""


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
