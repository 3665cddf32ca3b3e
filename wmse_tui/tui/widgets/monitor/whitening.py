"""The whitening panel: a verdict on the embeddings, its evidence, and the spectrum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import Diagnostics, NormWeights
from wmse_tui.runs.state.curves import reference
from wmse_tui.runs.state.diagnostic_notes import DIAGNOSTIC_NOTES
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Tone
from wmse_tui.runs.state.verdict import JUDGED, Verdict, VerdictName, judge, out_of_bounds
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import number
from wmse_tui.tui import keys
from wmse_tui.tui.charts.bars import Bar, Bars, Spectrum
from wmse_tui.tui.services import services_of
from wmse_tui.tui.widgets.monitor.moment import MomentChosen, moved_moment
from wmse_tui.tui.widgets.monitor.text_row import EMPTY, TONE_STYLES, TextBlock, TextRow
from wmse_tui.tui.widgets.panel import Panel

_LABEL = 16  # cells of a number's name
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
_ALWAYS = frozenset(
    ("effective_rank", "condition_number", "smallest_pivot", "feature_std", "mean_correlation")
)  # the others have a row where a sample has them


class WhiteningPanel(Panel, can_focus=True):
    """The diagnostics of a space of embeddings, or the weights of switchable whitening, at one step.

    One of the numbers is selected; instead of all of them the panel can describe that one: what it means,
    what it should be, and what to try when it is bad.
    """

    BINDINGS = [*keys.WHITENING, *keys.MOMENTS]  # noqa: RUF012 (textual's type)

    def __init__(self) -> None:
        super().__init__(title="Whitening", id="whitening")
        self._verdict = TextBlock(id="verdict")
        self._rows = tuple(TextRow() for _ in range(len(DIAGNOSTIC_NOTES) + 1))
        self._weights = Bars()
        self._description = TextBlock(id="description")
        self._spectrum = Spectrum()
        self._space = _SPACES[0]
        self._state: RunState | None = None
        self._moment: int | None = None
        self._spectra: Mapping[str, Sequence[Diagnostics]] = {}
        self._selected = 0
        self._described = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield self._verdict
            yield from self._rows
            yield self._weights
            yield self._description
        with Vertical(id="spectrum"):
            yield self._spectrum

    def show(self, state: RunState, moment: int | None = None) -> None:
        """Show the last diagnostics of a run that are not after step `moment`; None: the newest.

        The verdict is on the run as it is now, and so are the weights of norms.
        """
        if self._state is not None and self._state.path != state.path:
            self._spectra = {}
        self._state, self._moment = state, moment
        self._draw()

    def show_spectra(self, spectra: Mapping[str, Sequence[Diagnostics]]) -> None:
        """Show the spectra of earlier steps too: samples by their space."""
        self._spectra = spectra
        self._draw()

    def _draw(self) -> None:
        state = self._state
        if state is None:
            return
        weights = self._space == _WEIGHTS and state.norm_weights is not None
        space = _SPACES[0] if self._space == _WEIGHTS else self._space
        sample = state.latest(space, self._moment)
        names = () if weights or sample is None else shown_names(sample)
        self._selected = min(self._selected, max(0, len(names) - 1))
        described = self._described = self._described and bool(names)
        self.set_class(described, "-described")
        newest = self._moment is None or sample is state.latest(space)
        of = "" if space == JUDGED and newest else f"{JUDGED} now: " if not newest else f"{JUDGED}: "
        self._verdict.show(EMPTY if described else verdict_text(judge(state), of=of))
        self._draw_rows(state, sample, space, names, weights=weights, described=described)
        self._weights.display = weights
        self._weights.show(weight_bars(state.norm_weights) if weights else (), maximum=1.0)
        if described and sample is not None:
            fill = services_of(self).keys.fill
            self._description.show(describe_number(state, sample, names, self._selected, fill))
        else:
            self._description.show(EMPTY)
        self._draw_spectrum(sample, space)

    def _draw_rows(
        self,
        state: RunState,
        sample: Diagnostics | None,
        space: str,
        names: Sequence[str],
        *,
        weights: bool,
        described: bool,
    ) -> None:
        texts = weights_heading(state.norm_weights) if weights else sample_rows(state, sample, space)
        if described:
            texts = []
        elif names and self.has_focus:
            texts[self._selected + 1] = texts[self._selected + 1].stylize("reverse", 0, _LABEL)
        for index, row in enumerate(self._rows):
            row.display = index < len(texts)
            row.show(texts[index] if index < len(texts) else EMPTY)

    def _draw_spectrum(self, sample: Diagnostics | None, space: str) -> None:
        values: Sequence[float] = ()
        if sample is not None:
            values = sample.spectrum or next(
                (one.spectrum for one in self._spectra.get(space, ()) if one.step == sample.step), ()
            )
        note = _ABOUT[space]
        if sample is not None and not values:
            note = f"no spectrum of step {sample.step} is saved" if self._spectra else "reading the log"
        elif sample is not None and self._moment is not None:
            note = f"{note}, epoch {sample.epoch}"
        self._spectrum.show(
            values, ranks=sample.dim if sample is not None else None, title="Eigenvalues", note=note
        )

    def other_space(self) -> None:
        """Show the next of projector, features, encoder and norm weights, as far as the run has them."""
        available = [_SPACES[0]]
        if self._state is not None:
            available += [space for space in _SPACES[1:] if self._state.latest(space) is not None]
            available += [_WEIGHTS] if self._state.norm_weights is not None else []
        index = available.index(self._space) if self._space in available else 0
        self._space = available[(index + 1) % len(available)]
        self._draw()

    @property
    def space(self) -> str:
        """Whose numbers are shown, if the run has them: projector, features, encoder or norm weights."""
        return self._space

    @space.setter
    def space(self, space: str) -> None:
        if space in (*_SPACES, _WEIGHTS):
            self._space = space
            self._draw()

    # Keys

    def action_number(self, by: int) -> None:
        """Select another number."""
        self._selected = max(0, self._selected + by)
        self._draw()
        if not self._described:
            self._rows[self._selected + 1].scroll_visible(animate=False)

    def action_describe(self) -> None:
        """Describe the selected number, or show all of them again; without a number, a notification."""
        before, self._described = self._described, not self._described
        self._draw()
        if self._described == before:
            norms = (
                self._state is not None and self._space == _WEIGHTS and self._state.norm_weights is not None
            )
            text = "The norm weights have no description." if norms else "Nothing has been sampled yet."
            services_of(self).notify(text)
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_close_description(self) -> None:
        """Show all numbers again."""
        self._described = False
        self._draw()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll_text(self, by: int) -> None:
        """Scroll what does not fit."""
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=by * max(1, scroll.size.height - 1), animate=False)

    def action_moment(self, by: int) -> None:
        """Show an earlier (-1) or a later (1) sample."""
        steps = self._steps()
        if steps:
            self.post_message(MomentChosen(moved_moment(steps, self._moment, by)))

    def action_first_moment(self) -> None:
        """Show the first sample."""
        if steps := self._steps():
            self.post_message(MomentChosen(steps[0]))

    def action_newest_moment(self) -> None:
        """Show the newest sample again."""
        self.post_message(MomentChosen(None))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """`escape` closes a description, then shows the newest sample; after that it is the screen's."""
        if action == "close_description":
            return self._described
        return action != "newest_moment" or self._moment is not None

    def _steps(self) -> list[int]:
        space = _SPACES[0] if self._space == _WEIGHTS else self._space
        samples = () if self._state is None else self._state.diagnostics
        return [sample.step for sample in samples if sample.space == space]

    def watch_has_focus(self, has_focus: bool) -> None:
        """Draw with the cursor, or without it; a handler of Focus runs before `has_focus` changes."""
        super().watch_has_focus(has_focus)
        self._draw()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width >= _BROAD, "-broad")


def verdict_text(verdict: Verdict, *, of: str = "") -> Content:
    """The verdict, its evidence, and what to try; `of` names what is judged, where another thing is shown."""
    style = TONE_STYLES[VERDICT_TONES[verdict.name]]
    text = Content.assemble((verdict.name, f"bold {style}"), (f"  {safe(verdict.evidence, 300)}", ""))
    if of:
        text = Content.styled(of, "dim") + text
    tries = [Content.styled(f"\ntry {safe(advice, 160)}", "$accent") for advice in verdict.advice]
    return Content("").join([text, *tries])


def shown_names(sample: Diagnostics) -> tuple[str, ...]:
    """The numbers that have a row: a few always, the others where the sample has them."""
    return tuple(name for name in DIAGNOSTIC_NOTES if name in _ALWAYS or getattr(sample, name) is not None)


def sample_rows(state: RunState, sample: Diagnostics | None, space: str) -> list[Content]:
    """The numbers of one diagnostics sample, a row each; those beyond the verdict's bounds stand out."""
    if sample is None:
        return [Content.assemble((space, "bold"), (" not sampled yet", "dim"))]
    where = f" step {sample.step}, {sample.samples} images"
    bad = out_of_bounds(sample, state.summary)
    return [
        Content.assemble((space, "bold"), (where, "dim")),
        *(
            Content.assemble(
                (f"{DIAGNOSTIC_NOTES[name].label:<{_LABEL}}", "$warning" if name in bad else "dim"),
                " ",
                (_value(state, sample, name), "bold $warning" if name in bad else ""),
            )
            for name in shown_names(sample)
        ),
    ]


def describe_number(
    state: RunState, sample: Diagnostics, names: Sequence[str], index: int, fill: Callable[[str], str]
) -> Content:
    """What a number means, what it should be, and what to try when it is bad.

    Args:
        state: of the run.
        sample: the number is one of this sample.
        names: the numbers that can be described, `index` among them.
        fill: replaces the ids of bindings by keys.
    """
    name = names[index]
    note, bad = DIAGNOSTIC_NOTES[name], name in out_of_bounds(sample, state.summary)
    parts = [
        Content.assemble(
            (note.title, "bold"), "  ", (_value(state, sample, name), "bold $warning" if bad else "")
        ),
        Content.styled(f"{sample.space} step {sample.step}, epoch {sample.epoch}", "dim"),
        Content(f"{note.meaning}"),
        Content.assemble(("expected ", "dim"), note.expected),
        Content.assemble(("bad ", "dim"), note.bad),
    ]
    if bad:
        parts.append(Content.assemble(("now ", "dim"), ("beyond the bound", "bold $warning")))
    tries = "; ".join(note.tries(state.summary, sample.dim))
    if tries:
        parts.append(Content.assemble(("try ", "dim"), (safe(tries, 400), "$accent" if bad else "")))
    keys_line = f"{index + 1} of {len(names)}; {{key:whitening-next}} next, {{key:whitening-describe}} all"
    parts.append(Content.styled(fill(keys_line), "dim"))
    return Content("\n").join(parts)


def _value(state: RunState, sample: Diagnostics, name: str) -> str:
    """A number with what it is compared with."""
    match name:
        case "effective_rank":
            null = sample.effective_rank_null
            noise = f" (noise {null:.0f})" if null is not None else ""
            return f"{number(sample.effective_rank, 3)} of {sample.dim}{noise}"
        case "condition_number":
            return _figure(sample.condition_number) + _against(state, name, sample.space)
        case "smallest_pivot":
            return "no factorisation" if sample.smallest_pivot is None else number(sample.smallest_pivot, 2)
        case "feature_std":
            return number(sample.feature_std, 3) + _against(state, name, sample.space)
        case _:
            return number(getattr(sample, name), 3) + _null(sample, name)


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
    return "" if null is None else f" ({DIAGNOSTIC_NOTES[name].null} {number(null, 3)})"


def _against(state: RunState, quantity: str, space: str) -> str:
    """The value of a quantity in a known case, for comparison."""
    found = reference(state, quantity, space=space)
    return "".join(f" ({DIAGNOSTIC_NOTES[quantity].null} {number(value, 3)})" for value, _ in found)


def _figure(value: float | None) -> str:
    """A number that may be large, without an exponent while it can be read."""
    return f"{value:.0f}" if value is not None and 1000 <= value < 1e7 else number(value, 3)
