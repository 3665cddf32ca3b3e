"""How the embeddings spread: a verdict, its numbers, and the spectrum."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import Diagnostics, NormWeights
from wmse_tui.runs.state.curves import reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import Verdict, judge
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import number
from wmse_tui.tui.charts.bars import Bar, Bars, Spectrum
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
SPACES = ("projector", "features", "encoder")
WEIGHTS = "norm weights"
_ABOUT = {"projector": "seen by the loss", "features": "seen by the projector", "encoder": "as evaluated"}
_ROWS = 17
_MORE = (
    ("rankme", "RankMe"),
    ("participation_ratio", "participation"),
    ("stable_rank", "stable rank"),
    ("anisotropy", "anisotropy"),
    ("alpha", "alpha"),
    ("standard_deviation", "deviation"),
    ("whiteness_error", "whiteness error"),
    ("alignment", "alignment"),
    ("uniformity", "uniformity"),
    ("contrastive_accuracy", "finds its pair"),
    ("lidar", "LiDAR"),
)
_NULL_WORDS = {"alignment": "unrelated", "uniformity": "even", "contrastive_accuracy": "chance"}


class WhiteningPane(Pane):
    """The newest look at the embeddings of the projector, or of the encoder; the weights of its norms."""

    def __init__(self) -> None:
        super().__init__(title="Whitening", id="whitening")
        self._verdict = Paragraph()
        self._rows = tuple(Line() for _ in range(_ROWS))
        self._weights = Bars()
        self._spectrum = Spectrum()
        self._space = SPACES[0]
        self._view: RunState | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield self._verdict
            yield from self._rows
            yield self._weights
        with Vertical(id="spectrum"):
            yield self._spectrum

    def show(self, view: RunState) -> None:
        """Show what the run knows of its embeddings."""
        self._view = view
        self._verdict.say(verdict_words(judge(view)))
        weights = self._space == WEIGHTS and view.norm_weights is not None
        space = SPACES[0] if self._space == WEIGHTS else self._space
        told = view.latest(space)
        texts = weights_head(view.norm_weights) if weights else spread_rows(view, told, space)
        for place, row in enumerate(self._rows):
            row.display = place < len(texts)
            row.say(texts[place] if place < len(texts) else Content(""))
        self._weights.display = weights
        self._weights.show(weight_bars(view.norm_weights) if weights else (), maximum=1.0)
        self._spectrum.show(
            told.spectrum if told is not None else (),
            ranks=told.dim if told is not None else None,
            title="Eigenvalues",
            note=_ABOUT[space],
        )

    def other_space(self) -> None:
        """The next of the projector's embeddings, the encoder's, and the weights of norms that have some."""
        seen = [SPACES[0]]
        if self._view is not None:
            seen += [space for space in SPACES[1:] if self._view.latest(space) is not None]
            seen += [WEIGHTS] if self._view.norm_weights is not None else []
        place = seen.index(self._space) if self._space in seen else 0
        self._space = seen[(place + 1) % len(seen)]
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


def spread_rows(view: RunState, told: Diagnostics | None, space: str) -> list[Content]:
    """The numbers of one look at the embeddings, a row each."""
    if told is None:
        return [Content.assemble((space, "bold"), (" not looked at yet", "dim"))]
    where = f" step {told.step}, {told.samples} images"
    noise = f" (noise {told.effective_rank_null:.0f})" if told.effective_rank_null is not None else ""
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
        _named("mean correlation", number(told.mean_correlation, 3) + _noise(told, "mean_correlation")),
        *(
            _named(title, number(value, 3) + _noise(told, name))
            for name, title in _MORE
            if (value := getattr(told, name)) is not None
        ),
    ]


def weights_head(told: NormWeights | None) -> list[Content]:
    """What the bars of the norms' weights mean."""
    step = "" if told is None else f" step {told.step}"
    return [
        Content.assemble((WEIGHTS, "bold"), (step, "dim")),
        Content.styled("of covariances (bars), of means", "dim"),
    ]


def weight_bars(told: NormWeights | None) -> list[Bar]:
    """A bar for each statistic of each layer of switchable whitening: its weight for covariances."""
    return [
        Bar(
            label=f"{name} {layer.layer}",
            value=covariance,
            text=f"{covariance:.2f} {mean:.2f}",
        )
        for layer in (() if told is None else told.layers)
        for name, mean, covariance in zip(layer.statistics, layer.means, layer.covariances, strict=False)
    ]


def _noise(told: Diagnostics, name: str) -> str:
    null = dict(told.nulls).get(name)
    return "" if null is None else f" ({_NULL_WORDS.get(name, 'noise')} {number(null, 3)})"


def _against(view: RunState, quantity: str, space: str) -> str:
    """What the number would be in a case that means something."""
    found = reference(view, quantity, space=space)
    words = {"isotropic noise": "noise", "evenly spread": "even"}
    return "".join(f" ({words.get(name, name)} {number(value, 3)})" for value, name in found)


def _figure(value: float | None) -> str:
    """A number that may be large, without an exponent while it can be read."""
    return f"{value:.0f}" if value is not None and 1000 <= value < 1e7 else number(value, 3)


def _named(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<17}", "dim"), value)
