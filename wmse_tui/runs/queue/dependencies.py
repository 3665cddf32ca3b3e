"""Waiting for other runs: what `--after` asks of them."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import FAILURES
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.text.sanitize import safe


class Dependencies:
    """The runs that must complete first; each is folded once and then followed.

    A stopped run, or one that has not begun, may still complete: it is waited for.
    """

    def __init__(self, runs: tuple[str, ...]) -> None:
        self._watchers = {path: RunWatcher(RunDirectory(Path(path))) for path in runs}

    def look(self) -> tuple[bool, str]:
        """Whether all have completed, and else why that will not come about ("" while it may)."""
        for path, watcher in list(self._watchers.items()):
            if not watcher.run.is_run():
                return False, f"it was to come after {safe(watcher.run.id, 64)}, which is gone"
            try:
                state = watcher.poll()
            except RunsError:
                continue  # perhaps the next look tells more
            problem = blocking_failure(state)
            if problem:
                return False, f"it was to come after {problem}"
            if state.status == "completed":
                del self._watchers[path]
        return not self._watchers, ""


def blocking_failure(state: RunState) -> str:
    """Why waiting for this run leads nowhere, as "a, which has failed: ..."; "" where it may complete."""
    if state.status not in FAILURES:
        return ""
    has = "diverged" if state.status == "diverged" else f"has {state.status}"
    why = f": {safe(state.status_reason, 200)}" if state.status_reason else ""
    return f"{safe(state.run_id, 64)}, which {has}{why}"
