"""How the embeddings spread: a verdict, its numbers, and the spectrum."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.curves import reference
from wmse_tui.runs.events import Diagnostics
from wmse_tui.runs.text import safe
from wmse_tui.runs.verdict import Verdict
from wmse_tui.runs.view import RunView
from wmse_tui.runs.words import number
from wmse_tui.tui.charts.bars import Spectrum
from wmse_tui.tui.widgets.monitor.line import Line, Paragraph
from wmse_tui.tui.widgets.monitor.pane import Pane

BROAD = 66  # columns from which the spectrum stands beside the words
VERDICT_STYLES = {
    "healthy": "$success",
    "rank falling": "$warning",
    "collapsing": "$warning",
    "collapsed": "$error",
    "diverging": "$error",
}
SPACES = ("projector", "encoder")
_ABOUT = {"projector": "seen by the loss", "encoder": "as evaluated"}
_ROWS = 6


class WhiteningPane(Pane):
    """The newest look at the embeddings of the projector, or of the encoder."""

    def __init__(self) -> None:
        super().__init__(title="Whitening", id="whitening")
        self._verdict = Paragraph()
        self._rows = tuple(Line() for _ in range(_ROWS))
        self._spectrum = Spectrum()
        self._space = SPACES[0]
        self._view: RunView | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield self._verdict
            yield from self._rows
        with Vertical(id="spectrum"):
            yield self._spectrum

    def show(self, view: RunView) -> None:
        """Show what the run knows of its embeddings."""
        self._view = view
        told = view.latest(self._space)
        self._verdict.say(verdict_words(view.verdict))
        texts = spread_rows(view, told, self._space)
        for place, row in enumerate(self._rows):
            row.say(texts[place] if place < len(texts) else Content(""))
        self._spectrum.show(
            told.spectrum if told is not None else (),
            ranks=told.dim if told is not None else None,
            title="Eigenvalues",
            note=_ABOUT[self._space],
        )

    def other_space(self) -> None:
        """The projector's embeddings, or the encoder's."""
        self._space = SPACES[1 - SPACES.index(self._space)]
        if self._view is not None:
            self.show(self._view)

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= BROAD, "-broad")


def verdict_words(verdict: Verdict) -> Content:
    """The verdict, why, and what to try."""
    style = VERDICT_STYLES.get(verdict.name, "dim")
    text = Content.assemble((verdict.name, f"bold {style}"), (f"  {safe(verdict.evidence, 300)}", ""))
    tries = [Content.styled(f"\ntry {safe(advice, 160)}", "$accent") for advice in verdict.advice]
    return Content("").join([text, *tries])


def spread_rows(view: RunView, told: Diagnostics | None, space: str) -> list[Content]:
    """The numbers of one look at the embeddings, a row each."""
    if told is None:
        return [Content.assemble((space, "bold"), (" not looked at yet", "dim"))]
    where = f" step {told.step}, {told.samples} images"
    noise = f" (noise {number(told.effective_rank_null, 3)})" if told.effective_rank_null is not None else ""
    rank = f"{number(told.effective_rank, 3)} of {told.dim}{noise}"
    pivot = number(told.smallest_pivot, 2) if told.smallest_pivot is not None else "no factorisation"
    return [
        Content.assemble((space, "bold"), (where, "dim")),
        _named("effective rank", rank),
        _named(
            "condition number", _figure(told.condition_number) + _against(view, "condition_number", space)
        ),
        _named("smallest pivot", pivot),
        _named("feature std", number(told.feature_std, 3) + _against(view, "feature_std", space)),
        _named("mean correlation", number(told.mean_correlation, 3)),
    ]


def _against(view: RunView, quantity: str, space: str) -> str:
    """What the number would be in a case that means something."""
    found = reference(view, quantity, space=space)
    words = {"isotropic noise": "noise", "evenly spread": "even"}
    return "".join(f" ({words.get(name, name)} {number(value, 3)})" for value, name in found)


def _figure(value: float | None) -> str:
    """A number that may be large, without an exponent while it can be read."""
    return f"{value:.0f}" if value is not None and 1000 <= value < 1e7 else number(value, 3)


def _named(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<17}", "dim"), value)
