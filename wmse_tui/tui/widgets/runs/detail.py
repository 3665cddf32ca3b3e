"""The run under the cursor: what the columns of the list leave out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from wmse_tui.config.diff import Value, differing, flatten, value_text
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.state.status import TONES
from wmse_tui.runs.table.groups import RunGroup, distinct_texts
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.options_cache import OptionsCache
from wmse_tui.runs.table.run_columns import NAMED
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, moment, number, percent
from wmse_tui.tui.charts.drawing import ChartContent
from wmse_tui.tui.charts.plot import Plot
from wmse_tui.tui.charts.spark import spark

_LINES = ("title", "facts", "results")
_NAMED = 6  # options that differ


class RunDetail(Horizontal):
    """Some lines of text, each drawn again only where it has changed; on a tall screen also the loss."""

    def __init__(self, *, ascii_only: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._ascii = ascii_only

    def compose(self) -> ComposeResult:
        with Vertical():
            for name in (*_LINES, "differences", "path", "note"):
                yield _Line(name)
        yield Plot(id="runs-preview")

    def show(self, row: RunRow | None) -> None:
        """Show this run; `show_differences` follows."""
        names = (*_LINES, "path", "note")
        contents = [Content("")] * len(names) if row is None else detail_lines(row, ascii=self._ascii)
        for name, content in zip(names, contents, strict=True):
            self.query_one(f".runs-detail-{name}", _Line).show(content)
        self.query_one(Plot).show(preview(row))
        if row is None:
            self.show_differences("")

    def show_group(self, group: RunGroup, options: OptionsCache) -> None:
        """Show what the runs of this group have in common, and in what they differ."""
        for name, content in zip((*_LINES, "path", "note"), group_lines(group, options), strict=True):
            self.query_one(f".runs-detail-{name}", _Line).show(content)
        self.query_one(Plot).show(ChartContent(empty="unfolded, its runs have a curve each"))
        self.show_differences(varying(group, options))

    def show_differences(self, text: str) -> None:
        """Show in what the run differs from its preset."""
        self.query_one(".runs-detail-differences", _Line).show(Content(safe(text, 400)))


def preview(row: RunRow | None) -> ChartContent:
    """The loss of a run over its epochs so far, in the few buckets that the list has of it."""
    if row is None:
        return ChartContent(empty="")
    many, epochs = len(row.sparkline), max(row.epoch, 1)
    x = tuple((index + 0.5) / many * epochs for index in range(many))
    return ChartContent(
        curves=(Curve(label="", x=x, y=row.sparkline),),
        x_range=(0.0, float(epochs)),
        title="Loss",
        x_title="epoch",
    )


def differences(row: RunRow) -> str:
    """In what the run differs from its preset, as text; reads both, so call it in a thread."""
    found = read_configuration(RunDirectory(Path(row.path))).experiment
    if not row.preset or found is None:
        return ""
    try:
        preset = load_experiment(preset=row.preset)
    except ConfigError:
        return f"the preset {row.preset} cannot be read now"
    there, here = flatten(preset), flatten(found)
    changed = [f"{name} {_value(here, name)}" for name in differing(there, here) if name != "title"]
    if not changed:
        return f"as the preset {row.preset}"
    more = len(changed) - _NAMED
    return f"unlike {row.preset}: {', '.join(changed[:_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _value(values: Mapping[str, Value], name: str) -> str:
    return value_text(values[name]) if name in values else "-"


class _Line(Static):
    def __init__(self, name: str) -> None:
        super().__init__("", markup=False, classes=f"runs-detail-{name}")
        self._shown = Content("")

    def show(self, content: Content) -> None:
        if (content.plain, content.spans) != (self._shown.plain, self._shown.spans):
            self._shown = content
            self.update(content, layout=False)


def group_lines(group: RunGroup, options: OptionsCache) -> list[Content]:
    """Title and progress, what the runs are, means with their deviations, and which runs are counted."""
    first = group.rows[0]
    title = Content.assemble(
        (safe(group.title, 100), "bold"), "  ", (f"{group.progress()} completed", "$foreground 70%")
    )
    seeds = distinct_texts(NAMED["seed"], group.rows, options)
    methods = ", ".join(distinct_texts(NAMED["method"], group.rows, options))
    sets = ", ".join(distinct_texts(NAMED["data"], group.rows, options))
    seeds_text = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)}"
    counted = f"mean over {count(len(group.completed), 'completed run')}"
    if group.copies:
        counted += f"; {count(group.copies, 'copy', 'copies')} of them not counted"
    facts = Content(safe(f"{sets}, {methods}, {seeds_text} · {counted}", 240))
    parts = []
    for when, names in (("last", ("knn", "linear")), ("best", ("bestknn", "bestlinear"))):
        shown = [
            f"{NAMED[name].average_text(found)} {title_of}"
            for name, title_of in zip(names, ("5-NN", "linear"), strict=True)
            if (found := group.spread(NAMED[name], options)) is not None
        ]
        parts += [f"{when} {', '.join(shown)}"] * bool(shown)
    results = Content(" · ".join(parts) or "no run of it has completed yet")
    folder = Content(safe(str(Path(first.path).parent), 400))
    return [
        title,
        facts,
        results,
        folder,
        Content.styled("Actions apply to all of its runs.", "$foreground 60%"),
    ]


def varying(group: RunGroup, options: OptionsCache) -> str:
    """In which options the runs of a group differ; "" before they are read."""
    known = [found for row in group.rows if (found := options.of(row))]
    if len(known) < len(group.rows):
        return ""
    names = [name for name in differing(*known) if name != "seed"]
    texts = []
    for name in names[:_NAMED]:
        values = dict.fromkeys(_value(found, name) for found in known)
        texts.append(f"{name} {', '.join(values)}")
    more = len(names) - _NAMED
    if not texts:
        return "they differ in the seed alone"
    return f"they differ in {'; '.join(texts)}{f' and {more} more' if more > 0 else ''}"


def detail_lines(row: RunRow, *, ascii: bool = False) -> list[Content]:  # noqa: A002
    """Title and status, configuration, curve and accuracies, path, and the annotations of the user."""
    return [_title(row), _facts(row), _results(row, ascii=ascii), _path(row), _annotations(row)]


def _results(row: RunRow, *, ascii: bool) -> Content:  # noqa: A002
    final = (("5-NN", row.final_knn), ("linear", row.final_linear))
    best = (("5-NN", row.best_knn), ("linear", row.best_linear))
    parts = []
    for title, numbers in (("last", final), ("best", best)):
        shown = ", ".join(f"{percent(value)} {name}" for name, value in numbers if value is not None)
        parts += [f"{title} {shown}"] * bool(shown)
    curve = spark(row.sparkline, 40, ascii=ascii)
    text = " · ".join(parts) or "not evaluated yet"
    return Content.assemble((f"{curve}  " if curve else "", "$success"), safe(text, 200))


def _title(row: RunRow) -> Content:
    style = "$error" if TONES[row.status] == "bad" else "$foreground 70%"
    status = row.status if not row.status_reason else f"{row.status}: {row.status_reason}"
    return Content.assemble((safe(row.title or row.run_id, 100), "bold"), "  ", (safe(status, 160), style))


def _facts(row: RunRow) -> Content:
    parts = [f"{row.dataset}, {row.method}, seed {row.seed}"]
    if row.preset:
        parts.append(f"preset {row.preset}")
    if row.verdict != "unknown":
        parts.append(f"whitening {row.verdict}")
    if row.loss is not None:
        parts.append(f"loss {number(row.loss)} at step {row.step}")
    return Content(safe(" · ".join(parts), 240))


def _path(row: RunRow) -> Content:
    started = f"started {moment(row.started)[:16]}" if row.started is not None else "not started"
    where = "".join(f", {text}" for text in (row.host, row.device) if text)
    return Content(safe(f"{row.path}  {started}{where}", 400))


def _annotations(row: RunRow) -> Content:
    parts = [Content.styled(f"#{safe(tag, 40)}", "$accent") for tag in row.tags]
    if row.note:
        parts.append(Content(safe(row.note, 2000)))
    return Content(" ").join(parts) if parts else Content.styled("no tags, no note", "$foreground 60%")
