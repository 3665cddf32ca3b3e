"""What the list has no room for, of the run under the cursor."""

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
    """Some lines of text, each drawn again only where it says something else."""

    def compose(self) -> ComposeResult:
        for name in ("title", "facts", "path", "note"):
            yield _Line(name)

    def show(self, digest: RunRow | None) -> None:
        """Tell of this run."""
        contents = [Content("")] * 4 if digest is None else describe(digest)
        for line, content in zip(self.query(_Line), contents, strict=True):
            line.say(content)


class _Line(Static):
    def __init__(self, name: str) -> None:
        super().__init__("", markup=False, classes=f"runs-detail-{name}")
        self._said = Content("")

    def say(self, content: Content) -> None:
        if (content.plain, content.spans) != (self._said.plain, self._said.spans):
            self._said = content
            self.update(content, layout=False)


def describe(digest: RunRow) -> list[Content]:
    """Title and state, what it is, where it is, and what a person said of it."""
    return [_title(digest), _facts(digest), _path(digest), _said(digest)]


def _title(digest: RunRow) -> Content:
    style = "$error" if TONES[digest.status] == "bad" else "$foreground 70%"
    state = digest.status if not digest.status_reason else f"{digest.status}: {digest.status_reason}"
    return Content.assemble(
        (safe(digest.title or digest.run_id, 100), "bold"), "  ", (safe(state, 160), style)
    )


def _facts(digest: RunRow) -> Content:
    parts = [f"{digest.dataset}, {digest.method}, seed {digest.seed}"]
    if digest.preset:
        parts.append(f"preset {digest.preset}")
    if digest.verdict != "unknown":
        parts.append(f"whitening {digest.verdict}")
    if digest.loss is not None:
        parts.append(f"loss {number(digest.loss)} at step {digest.step}")
    return Content(safe(" · ".join(parts), 240))


def _path(digest: RunRow) -> Content:
    began = f"begun {moment(digest.started)[:16]}" if digest.started is not None else "not begun"
    where = "".join(f", {text}" for text in (digest.host, digest.device) if text)
    return Content(safe(f"{digest.path}  {began}{where}", 400))


def _said(digest: RunRow) -> Content:
    said = [Content.styled(f"#{safe(tag, 40)}", "$accent") for tag in digest.tags]
    if digest.note:
        said.append(Content(safe(digest.note, 2000)))
    return Content(" ").join(said) if said else Content.styled("no tags, no note", "$foreground 60%")
