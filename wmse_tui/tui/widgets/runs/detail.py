"""The run under the cursor: what the columns of the list leave out."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from wmse_tui.runs.state.status import TONES
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import moment, number


class RunDetail(Vertical):
    """Some lines of text, each drawn again only where it has changed."""

    def compose(self) -> ComposeResult:
        for name in ("title", "facts", "path", "note"):
            yield _Line(name)

    def show(self, row: RunRow | None) -> None:
        """Show this run."""
        contents = [Content("")] * 4 if row is None else detail_lines(row)
        for line, content in zip(self.query(_Line), contents, strict=True):
            line.show(content)


class _Line(Static):
    def __init__(self, name: str) -> None:
        super().__init__("", markup=False, classes=f"runs-detail-{name}")
        self._shown = Content("")

    def show(self, content: Content) -> None:
        if (content.plain, content.spans) != (self._shown.plain, self._shown.spans):
            self._shown = content
            self.update(content, layout=False)


def detail_lines(row: RunRow) -> list[Content]:
    """Title and status, configuration, path, and the annotations of the user."""
    return [_title(row), _facts(row), _path(row), _annotations(row)]


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
