"""What the trainer uses of its machine: GPU, CPU and memory."""

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
from wmse_tui.tui.widgets.monitor.text_row import EMPTY, TextRow, join_fitting, progress_bar
from wmse_tui.tui.widgets.panel import Panel

_ROWS = 6
_NAME, _BAR = 7, 8  # cells
_SPARK, _SPARK_LEAST = 40, 8  # cells of a sparkline


@dataclass(frozen=True, slots=True)
class Gauge:
    """A measured resource: `now` of `total` (None: unlimited), as text, and its earlier values."""

    name: str
    text: str
    now: float | None
    total: float | None
    past: tuple[float, ...]


class UsagePanel(Panel, can_focus=True):
    """A row for each measured resource."""

    def __init__(self) -> None:
        super().__init__(title="Usage", id="usage")
        self._rows = tuple(TextRow() for _ in range(_ROWS))
        self._run_state: RunState | None = None

    def compose(self) -> ComposeResult:
        yield from self._rows

    def show(self, run_state: RunState) -> None:
        """Show the latest measurements of a run."""
        self._run_state = run_state
        title = "Usage, when it ended" if run_state.ended else "Usage"
        if str(self.border_title) != title:
            self.border_title = Content(title)
        width = self.content_size.width
        if not width:
            return
        ascii_only = self.screen.has_class("-ascii")
        texts = usage_rows(run_state.resource_rows, width, ascii_only=ascii_only)
        for index, row in enumerate(self._rows):
            row.display = index < len(texts)
            row.show(texts[index] if index < len(texts) else EMPTY)

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        if self._run_state is not None:
            self.show(self._run_state)


def usage_rows(rows: Sequence[Resources], width: int, *, ascii_only: bool) -> list[Content]:
    """The newest of `rows` as text of at most `width` cells, with sparklines of the earlier ones."""
    if not rows:
        return [Content.styled("No measurements yet.", "dim")]
    name = safe(rows[-1].gpu, 60) or "No GPU is used"
    found = [join_fitting([Content.styled(name, "bold" if rows[-1].gpu else "dim")], width)]
    return found + [_row(gauge, width, ascii_only=ascii_only) for gauge in gauges(rows)]


def gauges(rows: Sequence[Resources]) -> list[Gauge]:
    """The resources that the newest of `rows` has values of."""
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
            _temperature(rows) if now.gpu_power is None else _power(rows),
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
    level = progress_bar(gauge.now or 0.0, gauge.total, _BAR) if gauge.total else Content(" " * _BAR)
    text = Content.assemble((f"{gauge.name:<{_NAME}}", "dim"), level, f" {gauge.text}")
    columns = min(_SPARK, width - cell_len(text.plain) - 2)
    if columns < _SPARK_LEAST or len(gauge.past) < 2:
        return text.truncate(width, ellipsis=True)
    past = spark(gauge.past[-columns:], ascii=ascii_only, low=0.0, high=gauge.total)
    return Content.assemble(text, "  ", (past, "$secondary"))


def _past(rows: Sequence[Resources], name: str) -> tuple[float, ...]:
    return tuple(value for value in (getattr(row, name) for row in rows) if value is not None)


def _of(used: float | None, total: float | None) -> str:
    return size(used) if total is None else f"{size(used)} of {size(total)}"


def _power(rows: Sequence[Resources]) -> Gauge:
    now = rows[-1]
    limit = "" if now.gpu_power_limit is None else f" of {now.gpu_power_limit:.0f}"
    celsius = "" if now.gpu_temperature is None else f", {now.gpu_temperature:.0f} °C"
    text = f"{now.gpu_power or 0:.0f}{limit} W{celsius}"
    return Gauge("power", text, now.gpu_power, now.gpu_power_limit, _past(rows, "gpu_power"))


def _temperature(rows: Sequence[Resources]) -> Gauge:
    celsius = rows[-1].gpu_temperature
    return Gauge(
        "temp", "" if celsius is None else f"{celsius:.0f} °C", celsius, None, _past(rows, "gpu_temperature")
    )
