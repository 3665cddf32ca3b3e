"""What threads read of a run besides its picture: its story, the trainer's output, map and configuration."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.activity import ActivityLine
from wmse_tui.runs.log.tail import LogEnd, LogTail
from wmse_tui.runs.marked_config import MarkedConfig, read_marked_config
from wmse_tui.runs.state.embedding import read_embedding
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.units import size
from wmse_tui.tui.widgets.monitor.map import NONE_YET
from wmse_tui.tui.widgets.monitor.panels import Panels
from wmse_tui.tui.widgets.monitor.tables import config_lines

Value = TypeVar("Value")


class Fetch(Protocol):
    """Does work in a thread, then uses what it gave in the app's own."""

    def __call__(self, work: Callable[[], Value], use: Callable[[Value], object]) -> None: ...


class RunReaders:
    """Reads what the panels in sight need of one run, each thing by one thread at a time."""

    def __init__(
        self,
        run: RunDirectory,
        panels: Panels,
        fetch: Fetch,
        activity: Callable[[], tuple[ActivityLine, ...]],
    ) -> None:
        self.run = run
        self._panels = panels
        self._fetch = fetch
        self._activity = activity
        self._tail = LogTail(run.trainer_log)
        self._shown_tail: LogEnd | None = None
        self._map: tuple[str, int, int] | None = None  # file, step and epoch of the map that was read last
        self._under_way: set[str] = set()
        self._closed = False
        panels.log_lines.show(())
        panels.output.show(())
        panels.config.show(())
        panels.map.tell(NONE_YET)
        self._once("config", lambda: read_marked_config(run), self._show_config)

    def close(self) -> None:
        """Another run is shown: what is still read comes too late."""
        self._closed = True

    def read_lines(self) -> None:
        """Look for more to read in log and output, as far as they are seen."""
        if "log" in self._panels.seen:
            self._once("log", self._activity, self._panels.log_lines.show)
        if "output" in self._panels.seen:
            self._once("output", self._tail.poll, self._show_tail)

    def read_map(self, view: RunState) -> None:
        """Read the newest map, if it is seen and another one than before."""
        newest = next((one for one in reversed(view.artifacts) if one.kind == "embedding"), None)
        if newest is None or "map" not in self._panels.seen or "map" in self._under_way:
            return
        wanted = (newest.file, newest.step, newest.epoch)
        if wanted != self._map:
            self._map = wanted
            path = self.run.artifacts / Path(newest.file).name
            self._once("map", partial(read_embedding, path), self._panels.map.show, self._panels.map.tell)

    def _once(
        self,
        name: str,
        work: Callable[[], Value],
        use: Callable[[Value], object],
        fail: Callable[[str], object] | None = None,
    ) -> None:
        if name not in self._under_way:
            self._under_way.add(name)
            self._fetch(partial(_tried, work), partial(self._use, name, use, fail or self._complain(name)))

    def _use(
        self, name: str, use: Callable[[Any], object], fail: Callable[[str], object], found: Any
    ) -> None:
        self._under_way.discard(name)
        if not self._closed:
            if isinstance(found, RunsError):
                fail(str(found))
            else:
                use(found)

    def _complain(self, name: str) -> Callable[[str], object]:
        panels = self._panels
        pane = {"log": panels.log_lines, "output": panels.output}.get(name, panels.config)
        return lambda why: pane.show((), head=why)

    def _show_tail(self, tail: LogEnd) -> None:
        if tail is self._shown_tail:
            return
        self._shown_tail = tail
        head = ""
        if tail.left_out:
            head = f"{size(tail.left_out)} before these lines are left out; `wmse-tui logs` prints them"
        self._panels.output.show(tuple(map(ActivityLine, tail.lines)), head=head)

    def _show_config(self, config: MarkedConfig) -> None:
        self._panels.config.show(config_lines(config), head=config.note)


def _tried(work: Callable[[], Value]) -> Value | RunsError:
    try:
        return work()
    except RunsError as error:
        return error
