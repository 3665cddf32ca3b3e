"""The head of Monitor: how the run is, how far it is, and how good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import ENDED, RESUMABLE, TONES, Tone
from wmse_tui.runs.state.verdict import judge
from wmse_tui.runs.text.messages import knn_sentence, linear_sentence, phase_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import duration, number, percent, rate
from wmse_tui.tui.widgets.monitor.line import GAP, Line, fit
from wmse_tui.tui.widgets.monitor.requests import Word

_TONES: Mapping[Tone, str] = {
    "muted": "dim",
    "info": "$primary",
    "good": "$success",
    "warning": "$warning",
    "bad": "$error",
}
_COURSES = {"waiting": "$accent", "good": "$success", "bad": "$error"}
_VERDICTS = {
    "rank falling": "$warning",
    "collapsing": "$warning",
    "collapsed": "$error",
    "diverging": "$error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What the head tells besides the view.

    Attributes:
        behind: the share of a long log that was read so far, None at its end.
        words: on the latest requests that were left from here, the newest first.
        unreadable: why the log cannot be read (any more), else "".
    """

    behind: float | None = None
    words: tuple[Word, ...] = ()
    unreadable: str = ""


class RunHeader(Vertical):
    """Four rows, and up to two more where something is to be told besides."""

    def __init__(self) -> None:
        super().__init__(id="run-header")
        self._rows = tuple(Line() for _ in range(6))
        self._told: tuple[RunState, Headline] | None = None

    def compose(self) -> ComposeResult:
        yield from self._rows

    def show(self, view: RunState, headline: Headline) -> None:
        """Show a run."""
        self._told = view, headline
        self._draw()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self._draw()

    def _draw(self) -> None:
        width = self.size.width - 2  # the stylesheet leaves a column on each side
        if self._told is None or width <= 0:
            return
        texts = header_rows(*self._told, width)
        for row, text in zip(self._rows, [*texts, Content("")], strict=False):
            shown = bool(text.plain) or row in self._rows[:4]
            if row.display != shown:
                row.display = shown
            row.say(text)


def header_rows(view: RunState, headline: Headline, width: int) -> tuple[Content, ...]:
    """The rows of the head in `width` cells; the last two may be empty."""
    return (
        _identity(view, width),
        _progress(view, width),
        _numbers(view, width),
        _accuracies(view, width),
        _trouble(view, headline, width),
        _requests(headline.words, width),
    )


def _identity(view: RunState, width: int) -> Content:
    style = _TONES[TONES[view.status]]
    sign = "■" if view.status in ENDED else "○" if view.status in ("new", "queued") else "●"
    attempt = f"attempt {view.attempt}" if view.attempt else ""
    device = safe(view.setup.device, 40) if view.setup is not None else ""
    title = safe(view.summary.title, 100)
    name = Content.styled(safe(view.run_id, max(12, width - 24)), "bold")
    state = Content.styled(f"{sign} {view.status}", f"bold {style}")
    return fit([name, state, Content(attempt), Content(device), Content.styled(title, "dim")], width)


def _progress(view: RunState, width: int) -> Content:
    left = ""
    if view.ended:
        left = f"took {duration(view.elapsed)}" if view.elapsed else ""
    elif view.seconds_left is not None:
        left = f"{duration(view.seconds_left)} left"
    epochs = f"{view.epoch}/{view.epochs or '?'}"
    steps = f"{view.step_in_epoch}/{view.steps_per_epoch or '?'}"
    texts = sum(map(len, ("epoch ", epochs, GAP, "step ", steps, GAP, left))) + 2
    bar_width = max(4, min(60, (width - texts) // 2))
    return fit(
        [
            Content.assemble("epoch ", bar(view.epoch, view.epochs, bar_width), f" {epochs}"),
            Content.assemble("step ", bar(view.step_in_epoch, view.steps_per_epoch, bar_width), f" {steps}"),
            Content(left),
        ],
        width,
    )


def bar(done: float, total: float, width: int) -> Content:
    """`done` of `total` in `width` cells; empty where nobody knows the total."""
    filled = min(width, int(width * done / total)) if total else 0
    return Content.assemble(("█" * filled, "$primary"), ("░" * (width - filled), "dim"))


def _numbers(view: RunState, width: int) -> Content:
    parts = [
        _named("loss", number(view.loss.last)),
        _named("lr", number(view.lr, 3)),
        Content(rate(view.images_per_second)) if view.images_per_second is not None else Content(""),
    ]
    if not view.ended:
        now = safe(phase_sentence(view.phase), 120) if view.phase is not None else ""
        parts.insert(0, _named("now", now or ("starting" if view.status == "starting" else view.status)))
    return fit(parts, width)


def _accuracies(view: RunState, width: int) -> Content:
    if not view.evaluations:
        return Content.styled("not evaluated yet", "dim")
    last = view.evaluations[-1]
    when = "untrained" if last.step == 0 else f"epoch {last.epoch}"
    best = []
    if view.best_knn is not None:
        best.append(f"{percent(view.best_knn.knn_top1)} at {view.best_knn.epoch}")
    if view.best_linear is not None:
        best.append(f"{percent(view.best_linear.linear_top1)} at {view.best_linear.epoch}")
    parts = [_named(when, _short(last)), _named("best", ", ".join(best)) if best else Content("")]
    return fit(parts, width)


def _short(evaluation: Evaluation) -> str:
    parts = []
    if evaluation.knn is not None:
        parts.append(knn_sentence(evaluation.knn))
    if evaluation.linear is not None:
        parts.append(linear_sentence(evaluation.linear).partition(" (")[0])
    return safe(", ".join(parts)) or "nothing was measured"


def _trouble(view: RunState, headline: Headline, width: int) -> Content:
    if headline.unreadable:
        return Content.styled(safe(headline.unreadable, 300), "$error").truncate(width, ellipsis=True)
    if headline.behind is not None:
        return Content.styled(f"reading its log: {headline.behind:.0%}", "$primary")
    parts = []
    if view.status_reason:
        style = _TONES[TONES[view.status]]
        parts.append(Content.styled(safe(view.status_reason, 200), style))
    if view.status in RESUMABLE:
        parts.append(Content.styled("r resumes it", "dim"))
    elif view.status == "new":
        parts.append(Content.styled("it was never started; r starts it", "dim"))
    verdict = judge(view)
    if verdict.name in _VERDICTS:
        parts.append(Content.styled(f"embeddings: {verdict.name} (W: why)", _VERDICTS[verdict.name]))
    if view.unreadable or view.missing:
        lost = view.unreadable + view.missing
        parts.append(Content.styled(f"{lost} lines of the log are damaged or missing", "$warning"))
    return fit(parts, width)


def _requests(words: tuple[Word, ...], width: int) -> Content:
    return fit([Content.styled(word.text, _COURSES[word.course]) for word in words], width)


def _named(name: str, value: str) -> Content:
    return Content.assemble((f"{name} ", "dim"), value)
