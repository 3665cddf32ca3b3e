"""What each of several ranks uses: a row for each, and where they do not fit, the range over many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from rich.cells import cell_len
from textual.content import Content

from wmse_tui.runs.log.events import RankLoad, Resources
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, number, size
from wmse_tui.tui.charts.spark import spark
from wmse_tui.tui.widgets.monitor.text_row import progress_bar

_BAR, _SPARK, _SPARK_LEAST = 8, 40, 8  # cells
_GAP = "  "


def rank_lines(rows: Sequence[Resources], width: int, most: int, *, ascii_only: bool) -> list[Content]:
    """What the ranks of the newest of `rows` use, as lines of at most `width` cells.

    Ranks of one machine with equal GPUs are below one heading. Where a line for each rank would be more than
    `most`, a line has the range of such a group, and where those are too many, of all ranks.
    """
    ranks = rows[-1].ranks if rows else ()
    if not ranks:
        return []
    hosts = len({load.host for load in ranks})
    groups = [tuple(group) for _, group in groupby(ranks, key=lambda load: (load.host, load.gpu))]
    shown: list[tuple[str, list[tuple[str, tuple[RankLoad, ...]]]]]  # headings, labels and what has them
    if len(groups) + len(ranks) <= most:
        shown = [(_heading(group, hosts), [(str(load.rank), (load,)) for load in group]) for group in groups]
    elif 2 * len(groups) <= most:
        shown = [(_heading(group, hosts), [(_numbers(group), group)]) for group in groups]
    else:
        shown = [(f"{count(len(ranks), 'rank')} on {count(hosts, 'machine')}", [(_numbers(ranks), ranks)])]
    every = [row for _, labelled in shown for row in labelled]
    longest = max(len(label) for label, _ in every)
    cells = _columns([_cells(loads) for _, loads in every], width - longest - 1)
    lines, texts = [], iter(cells)
    for heading, labelled in shown:
        lines.append(Content.styled(heading, "bold").truncate(width, ellipsis=True))
        for label, loads in labelled:
            line = _line(label.rjust(longest), loads, next(texts), rows, width, ascii_only=ascii_only)
            lines.append(line.truncate(width, ellipsis=True))
    return lines


def _heading(group: Sequence[RankLoad], hosts: int) -> str:
    where = f"{safe(group[0].host, 40)}: " if hosts > 1 else ""
    card = safe(group[0].gpu, 60)
    if not card:
        return f"{where}{count(len(group), 'rank')} on the CPU"
    return f"{where}{len(group)} x {card}" if len(group) > 1 else f"{where}{card}"


def _numbers(group: Sequence[RankLoad]) -> str:
    """`0` or `0-7`."""
    first, last = group[0].rank, group[-1].rank
    return str(first) if first == last else f"{first}-{last}"


def _cells(loads: Sequence[RankLoad]) -> tuple[str, ...]:
    """The texts of a line: of a GPU utilisation, memory, power and temperature, else processor and memory."""
    if any(load.gpu for load in loads):
        used = _range((load.gpu_memory for load in loads), size)
        total = max((load.gpu_memory_total for load in loads if load.gpu_memory_total), default=None)
        if used and total is not None:
            used = f"{used.removesuffix(size(total)[-3:])} of {size(total)}"
        return (
            _range((load.gpu_utilisation for load in loads), lambda share: f"{100 * share:.0f} %"),
            used,
            _range((load.gpu_power for load in loads), lambda watts: f"{watts:.0f} W"),
            _range((load.gpu_temperature for load in loads), lambda celsius: f"{celsius:.0f} °C"),
        )
    return (
        _range((load.cpu for load in loads), lambda cores: f"{number(cores, 2)} cores"),
        _range((load.memory for load in loads), size),
    )


def _range(values: Iterable[float | None], text: Callable[[float], str]) -> str:
    """The least and the greatest value, `96-98 %`; the one text where they are equal, "" without any."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return ""
    low, high = text(known[0]), text(known[-1])
    if low == high:
        return low
    unit = high.rpartition(" ")[2]
    return f"{low.removesuffix(f' {unit}')}-{high}"


def _columns(rows: list[tuple[str, ...]], width: int) -> list[str]:
    """Each row as one text of aligned columns, as many as fit."""
    columns = max(map(len, rows))
    widths = [max(len(row[c]) if c < len(row) else 0 for row in rows) for c in range(columns)]
    texts = []
    for row in rows:
        text = ""
        for c, cell in enumerate(row):
            if not widths[c]:
                continue
            column = cell.rjust(widths[c])
            if text and len(text) + len(_GAP) + len(column) > width:
                break
            text += f"{_GAP if text else ''}{column}"
        texts.append(text)
    return texts


def _line(
    label: str,
    loads: Sequence[RankLoad],
    text: str,
    rows: Sequence[Resources],
    width: int,
    *,
    ascii_only: bool,
) -> Content:
    """A line; with space, a bar of what is busiest in it, and for one rank the past as a sparkline."""
    on_gpu = bool(loads[0].gpu)
    name = "gpu_utilisation" if on_gpu else "cpu"
    total = 1.0 if on_gpu else float(rows[-1].cpu_count)
    left = width - len(label) - 1 - cell_len(text)
    bar = Content("")
    known = [value for value in (getattr(load, name) for load in loads) if value is not None]
    if known and total and left >= _BAR + 1:
        bar = Content.assemble(progress_bar(sum(known) / len(known), total, _BAR), " ")
        left -= _BAR + 1
    line = Content.assemble((f"{label} ", "dim"), bar, text)
    past = past_of_rank(rows, loads[0].rank, name) if len(loads) == 1 else ()
    columns = min(_SPARK, left - 2)
    if columns < _SPARK_LEAST or len(past) < 2:
        return line
    drawn = spark(past[-columns:], ascii=ascii_only, low=0.0, high=total or None)
    return Content.assemble(line, _GAP, (drawn, "$secondary"))


def past_of_rank(rows: Sequence[Resources], rank: int, name: str) -> tuple[float, ...]:
    """The known values of a rank."""
    loads = filter(None, (row.of_rank(rank) for row in rows))
    return tuple(value for value in (getattr(load, name) for load in loads) if value is not None)
