"""The whitening panel: a verdict on the embeddings, its evidence, and the spectrum."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import Diagnostics, NormWeights
from wmse_tui.runs.state.curves import reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Tone
from wmse_tui.runs.state.verdict import Verdict, VerdictName, judge
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import number
from wmse_tui.tui.charts.bars import Bar, Bars, Spectrum
from wmse_tui.tui.widgets.monitor.text_row import EMPTY, TONE_STYLES, TextBlock, TextRow
from wmse_tui.tui.widgets.panel import Panel

_BROAD = 66  # columns from which the spectrum is beside the numbers
VERDICT_TONES: Mapping[VerdictName, Tone] = {
    "unknown": "muted",
    "healthy": "good",
    "rank falling": "warning",
    "collapsing": "warning",
    "collapsed": "bad",
    "diverging": "bad",
}
_SPACES = ("projector", "features", "encoder")
_WEIGHTS = "norm weights"
_ABOUT = {"projector": "seen by the loss", "features": "seen by the projector", "encoder": "as evaluated"}
_ROWS = 17
_OPTIONAL = (
    ("rankme", "RankMe"),
    ("participation_ratio", "participation"),
    ("stable_rank", "stable rank"),
    ("anisotropy", "anisotropy"),
    ("alpha", "alpha"),
    ("standard_deviation", "deviation"),
    ("whiteness_error", "whiteness error"),
    ("alignment", "alignment"),
    ("uniformity", "uniformity"),
    ("contrastive_accuracy", "contrastive acc."),
    ("lidar", "LiDAR"),
)
_NULL_NAMES = {"alignment": "unrelated", "uniformity": "even", "contrastive_accuracy": "chance"}


class WhiteningPanel(Panel, can_focus=True):
    """The newest diagnostics sample of a space of embeddings, or the weights of switchable whitening."""

    def __init__(self) -> None:
        super().__init__(title="Whitening", id="whitening")
        self._verdict = TextBlock(id="verdict")
        self._rows = tuple(TextRow() for _ in range(_ROWS))
        self._weights = Bars()
        self._spectrum = Spectrum()
        self._space = _SPACES[0]
        self._state: RunState | None = None

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield self._verdict
            yield from self._rows
            yield self._weights
        with Vertical(id="spectrum"):
            yield self._spectrum

    def show(self, state: RunState) -> None:
        """Show the newest diagnostics of a run."""
        self._state = state
        self._verdict.show(verdict_text(judge(state)))
        weights = self._space == _WEIGHTS and state.norm_weights is not None
        space = _SPACES[0] if self._space == _WEIGHTS else self._space
        sample = state.latest(space)
        texts = weights_heading(state.norm_weights) if weights else sample_rows(state, sample, space)
        for index, row in enumerate(self._rows):
            row.display = index < len(texts)
            row.show(texts[index] if index < len(texts) else EMPTY)
        self._weights.display = weights
        self._weights.show(weight_bars(state.norm_weights) if weights else (), maximum=1.0)
        self._spectrum.show(
            sample.spectrum if sample is not None else (),
            ranks=sample.dim if sample is not None else None,
            title="Eigenvalues",
            note=_ABOUT[space],
        )

    def other_space(self) -> None:
        """Show the next of projector, features, encoder and norm weights, as far as the run has them."""
        available = [_SPACES[0]]
        if self._state is not None:
            available += [space for space in _SPACES[1:] if self._state.latest(space) is not None]
            available += [_WEIGHTS] if self._state.norm_weights is not None else []
        index = available.index(self._space) if self._space in available else 0
        self._space = available[(index + 1) % len(available)]
        if self._state is not None:
            self.show(self._state)

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= _BROAD, "-broad")


def verdict_text(verdict: Verdict) -> Content:
    """The verdict, its evidence, and what to try."""
    style = TONE_STYLES[VERDICT_TONES[verdict.name]]
    text = Content.assemble((verdict.name, f"bold {style}"), (f"  {safe(verdict.evidence, 300)}", ""))
    tries = [Content.styled(f"\ntry {safe(advice, 160)}", "$accent") for advice in verdict.advice]
    return Content("").join([text, *tries])


def sample_rows(state: RunState, sample: Diagnostics | None, space: str) -> list[Content]:
    """The numbers of one diagnostics sample, a row each."""
    if sample is None:
        return [Content.assemble((space, "bold"), (" not sampled yet", "dim"))]
    where = f" step {sample.step}, {sample.samples} images"
    noise = f" (noise {sample.effective_rank_null:.0f})" if sample.effective_rank_null is not None else ""
    rank = f"{number(sample.effective_rank, 3)} of {sample.dim}{noise}"
    pivot = number(sample.smallest_pivot, 2) if sample.smallest_pivot is not None else "no factorisation"
    return [
        Content.assemble((space, "bold"), (where, "dim")),
        _named("effective rank", rank),
        _named(
            "condition number",
            _figure(sample.condition_number) + _against(state, "condition_number", space),
        ),
        _named("smallest pivot", pivot),
        _named("feature std", number(sample.feature_std, 3) + _against(state, "feature_std", space)),
        _named("mean correlation", number(sample.mean_correlation, 3) + _null(sample, "mean_correlation")),
        *(
            _named(title, number(value, 3) + _null(sample, name))
            for name, title in _OPTIONAL
            if (value := getattr(sample, name)) is not None
        ),
    ]


def weights_heading(weights: NormWeights | None) -> list[Content]:
    """What the bars of the weights mean."""
    step = "" if weights is None else f" step {weights.step}"
    return [
        Content.assemble((_WEIGHTS, "bold"), (step, "dim")),
        Content.styled("of covariances (bars), of means", "dim"),
    ]


def weight_bars(weights: NormWeights | None) -> list[Bar]:
    """A bar for each statistic of each layer of switchable whitening: its weight for covariances."""
    return [
        Bar(
            label=f"{name} {layer.layer}",
            value=covariance,
            text=f"{covariance:.2f} {mean:.2f}",
        )
        for layer in (() if weights is None else weights.layers)
        for name, mean, covariance in zip(layer.statistics, layer.means, layer.covariances, strict=False)
    ]


def _null(sample: Diagnostics, name: str) -> str:
    null = dict(sample.nulls).get(name)
    return "" if null is None else f" ({_NULL_NAMES.get(name, 'noise')} {number(null, 3)})"


def _against(state: RunState, quantity: str, space: str) -> str:
    """The value of a quantity in a known case, for comparison."""
    found = reference(state, quantity, space=space)
    short = {"isotropic noise": "noise", "evenly spread": "even"}
    return "".join(f" ({short.get(name, name)} {number(value, 3)})" for value, name in found)


def _figure(value: float | None) -> str:
    """A number that may be large, without an exponent while it can be read."""
    return f"{value:.0f}" if value is not None and 1000 <= value < 1e7 else number(value, 3)


def _named(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<17}", "dim"), value)
