"""The header of Monitor: status, progress and accuracy of the run."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize

from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import ENDED, RESUMABLE, TONES
from wmse_tui.runs.state.verdict import judge
from wmse_tui.runs.text.messages import knn_sentence, linear_sentence, phase_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import duration, number, percent, rate
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.widgets.monitor.control_requests import RequestStatus
from wmse_tui.tui.widgets.monitor.text_row import EMPTY, GAP, TONE_STYLES, TextRow, join_fitting, progress_bar
from wmse_tui.tui.widgets.monitor.whitening import VERDICT_TONES


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderNotes:
    """What the header shows beside the state of the run.

    Attributes:
        behind: the share of a long log that has been read so far; None at its end.
        requests: the latest requests that this app sent, the newest first.
        unreadable: why the log cannot be read, or "".
    """

    behind: float | None = None
    requests: tuple[RequestStatus, ...] = ()
    unreadable: str = ""


class RunHeader(Vertical):
    """Four rows, and up to two more with problems and requests."""

    def __init__(self, keys: KeyNames) -> None:
        super().__init__(id="run-header")
        self._keys = keys
        self._rows = tuple(TextRow() for _ in range(6))
        self._shown: tuple[RunState, HeaderNotes] | None = None

    def compose(self) -> ComposeResult:
        yield from self._rows

    def show(self, state: RunState, notes: HeaderNotes) -> None:
        """Show a run."""
        self._shown = state, notes
        self._draw()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self._draw()

    def _draw(self) -> None:
        width = self.size.width - 2  # the stylesheet leaves a column on each side
        if self._shown is None or width <= 0:
            return
        texts = header_rows(*self._shown, width, self._keys)
        for row, text in zip(self._rows, [*texts, EMPTY], strict=False):
            shown = bool(text.plain) or row in self._rows[:4]
            if row.display != shown:
                row.display = shown
            row.show(text)


def header_rows(state: RunState, notes: HeaderNotes, width: int, keys: KeyNames) -> tuple[Content, ...]:
    """The rows of the header in `width` cells; the last two may be empty."""
    accuracies, untrained = _accuracies(state), _untrained(state)
    beside = not untrained.plain or cell_len(Content(GAP).join([accuracies, untrained]).plain) <= width
    return (
        _identity(state, width),
        _progress(state, width),
        _numbers(state, width, EMPTY if beside else untrained),
        join_fitting([accuracies, untrained if beside else EMPTY], width),
        _problems(state, notes, width, keys),
        join_fitting([Content.styled(one.text, TONE_STYLES[one.tone]) for one in notes.requests], width),
    )


def _identity(state: RunState, width: int) -> Content:
    style = TONE_STYLES[TONES[state.status]]
    symbol = "■" if state.status in ENDED else "○" if state.status in ("new", "queued") else "●"
    attempt = f"attempt {state.attempt}" if state.attempt else ""
    device = safe(state.setup.device, 40) if state.setup is not None else ""
    title = safe(state.summary.title, 100)
    name = Content.styled(safe(state.run_id, max(12, width - 24)), "bold")
    status = Content.styled(f"{symbol} {state.status}", f"bold {style}")
    return join_fitting(
        [name, status, Content(attempt), Content(device), Content.styled(title, "dim")], width
    )


def _progress(state: RunState, width: int) -> Content:
    remaining = ""
    if state.ended:
        remaining = f"took {duration(state.elapsed)}" if state.elapsed else ""
    elif state.epochs and state.epoch >= state.epochs:
        remaining = "last evaluation"
    elif state.seconds_left is not None and state.status != "paused":
        remaining = f"{duration(state.seconds_left)} left"
    epochs = f"{state.epoch}/{state.epochs or '?'}"
    steps = f"{state.step_in_epoch}/{state.steps_per_epoch or '?'}"
    texts = sum(map(len, ("epoch ", epochs, GAP, "step ", steps, GAP, remaining))) + 2
    bar_width = max(4, min(60, (width - texts) // 2))
    return join_fitting(
        [
            Content.assemble("epoch ", progress_bar(state.epoch, state.epochs, bar_width), f" {epochs}"),
            Content.assemble(
                "step ",
                progress_bar(state.step_in_epoch, state.steps_per_epoch, bar_width),
                f" {steps}",
            ),
            Content(remaining),
        ],
        width,
    )


def _numbers(state: RunState, width: int, more: Content) -> Content:
    """What the trainer does now, with `more` beside the loss."""
    parts = [_named("loss", number(state.loss.last)), more]
    if not state.ended:
        parts.append(_named("lr", number(state.lr, 3)))
        if state.images_per_second is not None and state.status != "paused":
            parts.append(Content(rate(state.images_per_second)))
    if not state.ended and state.status != "new":
        now = safe(phase_sentence(state.phase), 120) if state.phase is not None else ""
        parts.insert(0, _named("now", now or ("starting" if state.status == "starting" else state.status)))
    return join_fitting(parts, width)


def _accuracies(state: RunState) -> Content:
    """Those of the last evaluation, and the best ones."""
    if not state.evaluations:
        return Content.styled("not evaluated yet", "dim")
    last = state.evaluations[-1]
    when = "untrained" if last.step == 0 else _when(last, state, "epoch ")
    best = []
    if state.best_knn is not None:
        best.append(f"{percent(state.best_knn.knn_top1)} at {_when(state.best_knn, state)}")
    if state.best_linear is not None:
        best.append(f"{percent(state.best_linear.linear_top1)} at {_when(state.best_linear, state)}")
    parts = [_named(when, _short(last))] + [_named("best", ", ".join(best))] * bool(best)
    return Content(GAP).join(parts)


def _untrained(state: RunState) -> Content:
    """The accuracy of the untrained encoder, once there is one of the trained; being higher is a warning."""
    untrained = next((one for one in state.evaluations if one.step == 0), None)
    last = state.evaluations[-1] if state.evaluations else None
    if untrained is None or untrained.knn_top1 is None or last is None or last.step == 0:
        return EMPTY
    below = last.knn_top1 is not None and last.knn_top1 < untrained.knn_top1
    text = f"{percent(untrained.knn_top1)}{' (higher)' if below else ''}"
    return Content.assemble(("untrained ", "dim"), (text, "$warning" if below else ""))


def _when(evaluation: Evaluation, state: RunState, epoch: str = "") -> str:
    """The epoch of an evaluation; the step of one between two epochs."""
    between = state.steps_per_epoch and evaluation.step % state.steps_per_epoch
    return f"step {evaluation.step}" if between else f"{epoch}{evaluation.epoch}"


def _short(evaluation: Evaluation) -> str:
    parts = []
    if evaluation.knn is not None:
        parts.append(knn_sentence(evaluation.knn))
    if evaluation.linear is not None:
        parts.append(linear_sentence(evaluation.linear).partition(" (")[0])
    return safe(", ".join(parts)) or "no accuracy"


def _problems(state: RunState, notes: HeaderNotes, width: int, keys: KeyNames) -> Content:
    if notes.unreadable:
        return Content.styled(safe(notes.unreadable, 300), "$error").truncate(width, ellipsis=True)
    if notes.behind is not None:
        return Content.styled(f"reading its log: {notes.behind:.0%}", "$primary")
    parts = []
    if state.status_reason:
        style = TONE_STYLES[TONES[state.status]]
        parts.append(Content.styled(safe(state.status_reason, 200), style))
    if state.needs_other_configuration:
        text = "{key:run-duplicate} opens its configuration, to change it for a new run"
        parts.append(Content.styled(keys.fill(text), "dim"))
    elif state.status in RESUMABLE:
        text = "{key:run-resume} " + ("resumes it" if state.step or state.evaluations else "tries again")
        if state.error is not None and state.error.next:
            text += ", {key:pane-log} shows what to do"
        parts.append(Content.styled(keys.fill(text), "dim"))
    elif state.status == "new":
        parts.append(Content.styled(keys.fill("never started; {key:run-resume} starts it"), "dim"))
    verdict = judge(state)
    if (tone := VERDICT_TONES[verdict.name]) in ("warning", "bad"):
        key = keys.name("pane-whitening")
        parts.append(Content.styled(f"embeddings: {verdict.name} ({key}: why)", TONE_STYLES[tone]))
    if state.damaged is not None:
        text = f"{state.damaged.count:,} of {state.damaged.images:,} images cannot be read"
        parts.append(Content.styled(text, "$warning"))
    if state.unreadable or state.missing:
        damaged = state.unreadable + state.missing
        parts.append(Content.styled(f"{damaged} lines of the log are damaged or missing", "$warning"))
    return join_fitting(parts, width)


def _named(name: str, value: str) -> Content:
    return Content.assemble((f"{name} ", "dim"), value)
