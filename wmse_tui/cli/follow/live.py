"""A followed run as a live display on a terminal: a few rows, redrawn when their text has changed.

Every row fits the terminal, down to 40 columns. A frame is a pure function of the run's state; the display
compares frames and draws at most four a second, so an idle run sends no bytes.
"""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wmse_tui.runs.log.events import Record
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import TONES, Status, Tone
from wmse_tui.runs.text.messages import accuracies, notice_sentence, phase_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import duration, number, rate

FRAME_SECONDS = 0.25
LABEL = 9
BAR = 36
_COLOURS: Mapping[Tone, str] = {
    "muted": "dim",
    "info": "blue",
    "good": "green",
    "warning": "yellow",
    "bad": "red",
}
NOTE_LINES = 3
"""Longest notice or message, in lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """The content of the display; two equal frames are drawn alike."""

    title: str
    status: Status
    epoch: tuple[int, int | None]
    step: tuple[int, int | None]  # within the epoch
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()  # whole sentences, wrapped under the rows


def live_frame(state: RunState, message: str = "") -> LiveFrame:
    """Return the frame of a run's state; `message` is one of the command itself."""
    rows = []
    if state.loss.last is not None:
        figures = f"{number(state.loss.last)}   lr {number(state.lr, 3)}   {rate(state.images_per_second)}"
        rows.append(("loss", figures))
    if not state.ended:
        if state.seconds_left is not None:
            rows.append(("time left", duration(state.seconds_left)))
        rows.append(("now", phase_sentence(state.phase) if state.phase is not None else "starting"))
    if state.evaluations:
        latest = state.evaluations[-1]
        when = "untrained" if latest.step == 0 else f"epoch {latest.epoch}"
        rows.append(("latest", f"{accuracies(latest)} ({when})"))
    best = state.best_linear or state.best_knn
    if best is not None:
        rows.append(("best", f"{accuracies(best)} (epoch {best.epoch})"))
    if state.setup is not None:
        rows.append(("device", state.setup.device))
    notes = [notice_sentence(notice) for notice in state.notices[-2:]]
    if message and not state.ended:
        notes.append(message)
    return LiveFrame(
        title=safe(state.run_id),
        status=state.status,
        epoch=(state.epoch, state.epochs or None),
        step=(state.step_in_epoch, state.steps_per_epoch or None),
        rows=tuple((name, safe(text)) for name, text in rows),
        notes=tuple(safe(text) for text in notes),
    )


def render_frame(frame: LiveFrame, width: int) -> RenderableType:
    """Return the frame as rich draws it in `width` columns.

    The last row is empty and the cursor stays there: the terminal echoes a key (`^C`) on it, where it cannot
    make a full row wrap.
    """
    space = max(20, min(width, 100) - LABEL - 3)
    counts = [f"{done}/{total or '?'}" for done, total in (frame.epoch, frame.step)]
    bar = max(4, min(BAR, space - 1 - max(map(len, counts))))
    body = Table.grid(padding=(0, 2, 0, 0), expand=False)
    body.add_column(width=LABEL, style="dim", no_wrap=True)
    body.add_column(width=space, no_wrap=True, overflow="ellipsis")
    body.add_row("epoch", _bar(*frame.epoch, counts[0], bar))
    body.add_row("step", _bar(*frame.step, counts[1], bar))
    for name, text in frame.rows:
        body.add_row(name, Text(text, no_wrap=True, overflow="ellipsis"))
    head = Text.assemble((frame.title, "bold"), "  ", (frame.status, _COLOURS[TONES[frame.status]]))
    head.no_wrap, head.overflow = True, "ellipsis"
    notes = (line for note in frame.notes for line in _wrapped(note, max(20, min(width, 100) - 1)))
    return Group(head, body, *notes, Text(""))


def _wrapped(note: str, width: int) -> Iterator[Text]:
    for line in textwrap.wrap(note, width, max_lines=NOTE_LINES, placeholder=" …"):
        yield Text(line, no_wrap=True, overflow="ellipsis")


def _bar(done: int, total: int | None, count: str, width: int) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=width)
    row.add_column(no_wrap=True)
    row.add_row(ProgressBar(total=total or 1, completed=done if total else 0, width=width), count)
    return row


class LiveDisplay:
    """Keeps the frame on a terminal up to date."""

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console if console is not None else Console(highlight=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=False,
        )
        self._clock = clock
        self._drawn: LiveFrame | None = None
        self._drawn_at = float("-inf")
        self._message = ""
        self._state: RunState | None = None

    def show(self, state: RunState, records: tuple[Record, ...], *, more: bool = False) -> None:  # noqa: ARG002
        """Draw the state if its frame has changed and the last drawing is old enough."""
        self._state = state
        if not more and self._clock() - self._drawn_at >= FRAME_SECONDS:
            self._draw(state)

    def message(self, text: str) -> None:
        """Show a message of the command as the last row; on stderr too where that is not the terminal."""
        self._message = text
        if not sys.stderr.isatty():
            from wmse_tui.cli.console import print_message

            print_message(text)
        if self._state is not None:
            self._draw(self._state)

    def close(self) -> None:
        """Leave the last frame on the screen and the terminal as it was."""
        if self._state is not None:
            self._draw(self._state)
        self._live.stop()

    def _draw(self, state: RunState) -> None:
        frame = live_frame(state, self._message)
        if frame == self._drawn:
            return
        if self._drawn is None:
            self._live.start()
        self._drawn, self._drawn_at = frame, self._clock()
        self._live.update(render_frame(frame, self._console.width), refresh=True)
