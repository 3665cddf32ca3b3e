"""Reads the files of a run that panels show beside its state: activity log, output, map, configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.activity import ActivityLine
from wmse_tui.runs.log.tail import LogEnd, LogTail
from wmse_tui.runs.marked_config import read_marked_config
from wmse_tui.runs.state.embedding import read_embedding
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.units import size
from wmse_tui.tui.widgets.monitor.panel_lines import config_as_lines
from wmse_tui.tui.widgets.monitor.panels import Panels

Value = TypeVar("Value")

_NO_MAP = "no map yet: one is drawn with each evaluation"


class RunFiles:
    """Reads what the panels in sight need of one run, in threads, and shows it; each file one at a time.

    Args:
        run: the run.
        panels: where it is shown.
        activity: the activity lines of the run; the same tuple while there is nothing new.
    """

    def __init__(
        self, run: RunDirectory, panels: Panels, activity: Callable[[], tuple[ActivityLine, ...]]
    ) -> None:
        self._run = run
        self._panels = panels
        self._activity = activity
        self._tail = LogTail(run.trainer_log)
        self._shown_tail: LogEnd | None = None
        self._shown_map: tuple[str, int, int] | None = None  # file, step and epoch
        self._reading: set[str] = set()  # panels
        self._closed = False
        panels.log_lines.show(())
        panels.output.show(())
        panels.config.show(())
        panels.map.show_reason(_NO_MAP)
        panels.run_worker(self._show_config())

    def close(self) -> None:
        """Another run is shown: drop what is still being read."""
        self._closed = True

    def read_lines(self) -> None:
        """Read what is new in the activity log and the output, if those panels are in sight."""
        if "log" in self._panels.in_sight:
            self._panels.run_worker(self._show_activity())
        if "output" in self._panels.in_sight:
            self._panels.run_worker(self._show_output())

    def read_map(self, run_state: RunState) -> None:
        """Read the newest map, if that panel is in sight and shows another one."""
        newest = next((one for one in reversed(run_state.artifacts) if one.kind == "embedding"), None)
        if newest is None or "map" not in self._panels.in_sight or "map" in self._reading:
            return
        wanted = (newest.file, newest.step, newest.epoch)
        if wanted != self._shown_map:
            self._shown_map = wanted
            self._panels.run_worker(self._show_map(self._run.artifacts / Path(newest.file).name))

    async def _read(self, panel: str, read: Callable[[], Value]) -> Value | RunsError | None:
        """What `read` returns or raises; None if it runs already, or another run is shown by then."""
        if panel in self._reading:
            return None
        self._reading.add(panel)
        found: Value | RunsError
        try:
            found = await asyncio.to_thread(read)
        except RunsError as error:
            found = error
        finally:
            self._reading.discard(panel)
        return None if self._closed else found

    async def _show_config(self) -> None:
        found = await self._read("config", partial(read_marked_config, self._run))
        if isinstance(found, RunsError):
            self._panels.config.show((), heading=str(found))
        elif found is not None:
            self._panels.config.show(config_as_lines(found), heading=found.note)

    async def _show_activity(self) -> None:
        found = await self._read("log", self._activity)
        if isinstance(found, tuple):
            self._panels.log_lines.show(found)

    async def _show_output(self) -> None:
        found = await self._read("output", self._tail.poll)
        if isinstance(found, RunsError):
            self._panels.output.show((), heading=str(found))
        elif found is not None and found is not self._shown_tail:
            self._shown_tail = found
            heading = (
                f"{size(found.left_out)} before these lines are left out; `wmse-tui logs --raw` prints them"
            )
            lines = tuple(map(ActivityLine, found.lines))
            self._panels.output.show(lines, heading=heading if found.left_out else "")

    async def _show_map(self, path: Path) -> None:
        found = await self._read("map", partial(read_embedding, path))
        if isinstance(found, RunsError):
            self._panels.map.show_reason(str(found))
        elif found is not None:
            self._panels.map.show(found)
