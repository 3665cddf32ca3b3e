"""What the trainer uses of the machine: its GPU, and the processor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import Resources
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import number, percent, size
from wmse_tui.tui.charts.spark import spark
from wmse_tui.tui.widgets.monitor.header import bar
from wmse_tui.tui.widgets.monitor.line import Line, fit
from wmse_tui.tui.widgets.monitor.pane import Pane

_ROWS = 6
_NAME, _BAR = 7, 8  # cells
_PAST = 40  # cells of a sparkline at most


@dataclass(frozen=True, slots=True)
class Gauge:
    """Something measured: `now` of `most` (None: without a bound), in words, and how it was before."""

    name: str
    words: str
    now: float | None
    most: float | None
    past: tuple[float, ...]


class MachinePane(Pane):
    """A row for each thing that was measured."""

    def __init__(self) -> None:
        super().__init__(title="Usage", id="usage")
        self._rows = tuple(Line() for _ in range(_ROWS))
        self._view: RunState | None = None

    def compose(self) -> ComposeResult:
        yield from self._rows

    def show(self, view: RunState) -> None:
        """Show what the run last said of the machine."""
        self._view = view
        width = self.content_size.width
        if not width:
            return
        ascii_only = self.screen.has_class("-ascii")
        texts = machine_rows(view.resource_rows, width, ascii_only=ascii_only)
        for place, row in enumerate(self._rows):
            row.display = place < len(texts)
            row.say(texts[place] if place < len(texts) else Content(""))

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        if self._view is not None:
            self.show(self._view)


def machine_rows(rows: Sequence[Resources], width: int, *, ascii_only: bool) -> list[Content]:
    """What the newest of `rows` says, in rows of `width` cells, with what the earlier ones said."""
    if not rows:
        return [Content.styled("Nothing was measured yet.", "dim")]
    name = safe(rows[-1].gpu, 60) or "No GPU is used"
    found = [fit([Content.styled(name, "bold" if rows[-1].gpu else "dim")], width)]
    return found + [_row(gauge, width, ascii_only=ascii_only) for gauge in gauges(rows)]


def gauges(rows: Sequence[Resources]) -> list[Gauge]:
    """Those things that the newest of `rows` could tell."""
    now = rows[-1]
    found = []
    if now.gpu:
        found += [
            Gauge(
                "gpu", percent(now.gpu_utilisation), now.gpu_utilisation, 1.0, _past(rows, "gpu_utilisation")
            ),
            Gauge(
                "memory", _of(now.gpu_memory, now.gpu_memory_total), now.gpu_memory, now.gpu_memory_total, ()
            ),
            _heat(rows) if now.gpu_power is None else _power(rows),
        ]
    cores = (
        f"{number(now.cpu, 2)} of {now.cpu_count} cores" if now.cpu_count else f"{number(now.cpu, 2)} cores"
    )
    found += [
        Gauge("cpu", cores, now.cpu, now.cpu_count or None, _past(rows, "cpu")),
        Gauge("memory", _of(now.memory, now.memory_total), now.memory, now.memory_total, ()),
    ]
    return [gauge for gauge in found if gauge.now is not None]


def _row(gauge: Gauge, width: int, *, ascii_only: bool) -> Content:
    level = bar(gauge.now or 0.0, gauge.most, _BAR) if gauge.most else Content(" " * _BAR)
    text = Content.assemble((f"{gauge.name:<{_NAME}}", "dim"), level, f" {gauge.words}")
    room = min(_PAST, width - cell_len(text.plain) - 2)
    if room < 8 or len(gauge.past) < 2:
        return text.truncate(width, ellipsis=True)
    past = spark(gauge.past[-room:], ascii=ascii_only, low=0.0, high=gauge.most)
    return Content.assemble(text, "  ", (past, "$secondary"))


def _past(rows: Sequence[Resources], name: str) -> tuple[float, ...]:
    return tuple(value for value in (getattr(row, name) for row in rows) if value is not None)


def _of(used: float | None, total: float | None) -> str:
    return size(used) if total is None else f"{size(used)} of {size(total)}"


def _power(rows: Sequence[Resources]) -> Gauge:
    now = rows[-1]
    limit = "" if now.gpu_power_limit is None else f" of {now.gpu_power_limit:.0f}"
    heat = "" if now.gpu_temperature is None else f", {now.gpu_temperature:.0f} °C"
    words = f"{now.gpu_power or 0:.0f}{limit} W{heat}"
    return Gauge("power", words, now.gpu_power, now.gpu_power_limit, _past(rows, "gpu_power"))


def _heat(rows: Sequence[Resources]) -> Gauge:
    heat = rows[-1].gpu_temperature
    return Gauge("heat", "" if heat is None else f"{heat:.0f} °C", heat, None, _past(rows, "gpu_temperature"))
