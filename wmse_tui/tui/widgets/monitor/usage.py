"""What the trainer uses of its machine now and used before, and who else uses its GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import GpuUser, RankLoad, Resources
from wmse_tui.runs.state.curves import QUANTITIES, curve
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import number, percent, size
from wmse_tui.tui.charts.chart_options import in_percent
from wmse_tui.tui.charts.drawing import ChartContent
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.spark import spark
from wmse_tui.tui.widgets.monitor.rank_usage import rank_lines
from wmse_tui.tui.widgets.monitor.text_row import EMPTY, TextBlock, TextRow, join_fitting, progress_bar
from wmse_tui.tui.widgets.panel import Panel

_ROWS = 6
_NAME, _BAR = 7, 8  # cells
_SPARK, _SPARK_LEAST = 40, 8  # cells of a sparkline
_HISTORY = ("gpu_utilisation", "gpu_memory", "gpu_temperature", "gpu_power", "cpu", "memory")
_MOST_PLOTS = 4
_MOST_CURVES = 8  # ranks in a plot
_MOST_LINES = 9  # of ranks, beside other panels
_LOWEST, _NARROWEST = 6, 36  # cells of a plot


@dataclass(frozen=True, slots=True)
class Gauge:
    """A measured resource: `now` of `total` (None: unlimited), as text, and its earlier values."""

    name: str
    text: str
    now: float | None
    total: float | None
    past: tuple[float, ...]


class UsagePanel(Panel, can_focus=True):
    """A row for each measured resource, and the other processes on the GPU; with space, plots of the past.

    Of several ranks each has a row; below them is what their processes on the machine of rank 0 use together.
    """

    def __init__(self) -> None:
        super().__init__(title="Usage", id="usage")
        self._rows = tuple(TextRow() for _ in range(_ROWS))
        self._ranks = TextBlock(id="rank-loads")
        self._others = TextBlock(id="gpu-users")
        self._plots = tuple(Plot() for _ in range(_MOST_PLOTS))
        self._run_state: RunState | None = None
        self._spacious = False

    def compose(self) -> ComposeResult:
        yield self._ranks
        yield from self._rows
        yield self._others
        with Container(id="usage-history"):
            yield from self._plots

    @property
    def spacious(self) -> bool:
        """Whether the panel has space for plots: it is the only one in sight."""
        return self._spacious

    @spacious.setter
    def spacious(self, spacious: bool) -> None:
        self._spacious = spacious
        self._draw()

    def show(self, run_state: RunState) -> None:
        """Show the latest measurements of a run."""
        self._run_state = run_state
        title = "Usage, when it ended" if run_state.ended else "Usage"
        if str(self.border_title) != title:
            self.border_title = Content(title)
        self._draw()

    def _draw(self) -> None:
        state, width = self._run_state, self.content_size.width
        if state is None or not width:
            return
        ascii_only = self.screen.has_class("-ascii")
        rows = state.resource_rows
        texts = usage_rows(rows, width, ascii_only=ascii_only)
        most = self.content_size.height - len(texts) if self._spacious else _MOST_LINES
        ranks = rank_lines(rows, width, most, ascii_only=ascii_only)
        self._ranks.show(Content("\n").join(ranks))
        for index, row in enumerate(self._rows):
            row.display = index < len(texts)
            row.show(texts[index] if index < len(texts) else EMPTY)
        others = users_text(state.resources)
        self._others.show(others if self._spacious else others.truncate(width, ellipsis=True))
        shown = history_names(state) if self._spacious else ()
        left = self.content_size.height - len(ranks) - len(texts) - (-(-cell_len(others.plain) // width))
        columns = 2 if width >= 2 * _NARROWEST and len(shown) > 1 else 1
        shown = shown[: columns * max(0, min(2, left // _LOWEST))]
        history = self.query_one("#usage-history")
        history.display = bool(shown)
        history.styles.grid_size_columns = columns
        for index, plot in enumerate(self._plots):
            plot.display = index < len(shown)
            if index < len(shown):
                plot.show(_history(state, shown[index], 2 * width // columns))

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self._draw()


def history_names(state: RunState) -> tuple[str, ...]:
    """The quantities of which there are earlier values: those of the GPU, or of a machine without one."""
    rows: Sequence[Resources | RankLoad] = state.resource_rows
    if rows and state.resource_rows[-1].ranks:
        rows = [load for row in state.resource_rows for load in row.ranks if load.rank == 0]
    known = [name for name in _HISTORY if sum(getattr(row, name) is not None for row in rows) > 1]
    gpu = tuple(name for name in known if name.startswith("gpu_"))
    return gpu or tuple(known)


def _history(state: RunState, name: str, columns: int) -> ChartContent:
    quantity = QUANTITIES[name]
    every = state.resource_rows[-1].ranks
    ranks = [load.rank for load in every[:_MOST_CURVES]]
    found = [
        curve(state, name, axis="hours", columns=columns, rank=rank, label=f"rank {rank}") for rank in ranks
    ] or [curve(state, name, axis="hours", columns=columns)]
    percent_of = quantity.unit == "fraction"
    return ChartContent(
        curves=tuple(map(in_percent, found)) if percent_of else tuple(found),
        title=quantity.title + (f", {len(ranks)} of {len(every)} ranks" if len(every) > len(ranks) else ""),
        x_title="hours",
        y_title="%" if percent_of else quantity.unit,
    )


def users_text(now: Resources | None) -> Content:
    """The other processes on the GPU; empty where there are none, or no GPU."""
    if now is None or not now.gpu_users:
        return EMPTY
    many = len(now.gpu_users)
    who = ", ".join(_user(one) for one in now.gpu_users)
    which = "the GPU of rank 0" if now.ranks else "this GPU"
    text = f"{many} {'other uses' if many == 1 else 'others use'} {which}: "
    return Content.assemble((text, "$warning"), who)


def _user(one: GpuUser) -> str:
    """A process for people: its owner, or that it is not visible."""
    parts = [safe(one.owner, 32) or "not visible from here", safe(one.program, 32)]
    parts += [size(one.memory)] if one.memory is not None else []
    return " ".join(filter(None, [*parts, f"(pid {one.pid})"]))


def usage_rows(rows: Sequence[Resources], width: int, *, ascii_only: bool) -> list[Content]:
    """The newest of `rows` as text of at most `width` cells, with sparklines of the earlier ones."""
    if not rows:
        return [Content.styled("No measurements yet.", "dim")]
    shown = gauges(rows)
    text = max((cell_len(gauge.text) for gauge in shown), default=0)
    found = [_row(gauge, text, width, ascii_only=ascii_only) for gauge in shown]
    if rows[-1].ranks:  # which are shown above: here is what they use together
        return found
    name = safe(rows[-1].gpu, 60) or "No GPU is used"
    return [join_fitting([Content.styled(name, "bold" if rows[-1].gpu else "dim")], width), *found]


def gauges(rows: Sequence[Resources]) -> list[Gauge]:
    """The resources that the newest of `rows` has values of."""
    now = rows[-1]
    found = []
    if now.gpu and not now.ranks:
        found += [
            Gauge(
                "gpu", percent(now.gpu_utilisation), now.gpu_utilisation, 1.0, _past(rows, "gpu_utilisation")
            ),
            Gauge(
                "memory",
                _of(now.gpu_memory, now.gpu_memory_total),
                now.gpu_memory,
                now.gpu_memory_total,
                _past(rows, "gpu_memory"),
            ),
            _temperature(rows) if now.gpu_power is None else _power(rows),
        ]
    cores = (
        f"{number(now.cpu, 2)} of {now.cpu_count} cores" if now.cpu_count else f"{number(now.cpu, 2)} cores"
    )
    found += [
        Gauge("cpu", cores, now.cpu, now.cpu_count or None, _past(rows, "cpu")),
        Gauge(
            "memory", _of(now.memory, now.memory_total), now.memory, now.memory_total, _past(rows, "memory")
        ),
    ]
    return [gauge for gauge in found if gauge.now is not None]


def _row(gauge: Gauge, text_width: int, width: int, *, ascii_only: bool) -> Content:
    level = progress_bar(gauge.now or 0.0, gauge.total, _BAR) if gauge.total else Content(" " * _BAR)
    text = Content.assemble((f"{gauge.name:<{_NAME}}", "dim"), level, f" {gauge.text}")
    gap = " " * (text_width - cell_len(gauge.text) + 2)
    columns = min(_SPARK, width - cell_len(text.plain) - len(gap))
    if columns < _SPARK_LEAST or len(gauge.past) < 2:
        return text.truncate(width, ellipsis=True)
    past = spark(gauge.past[-columns:], ascii=ascii_only, low=0.0, high=gauge.total)
    return Content.assemble(text, gap, (past, "$secondary"))


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
