"""A followed run as a live display on a terminal: a few rows, redrawn when what they say has changed.

Every row fits the terminal, down to 40 columns. A frame is a pure function of the view; the display compares
frames and draws at most four a second, so an idle run sends no bytes.
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
"""Lines that one notice or message may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFrame:
    """What the display says, ready to draw; two equal frames look the same."""

    title: str
    status: Status
    epoch: tuple[int, int | None]
    step: tuple[int, int | None]  # within the epoch
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()  # whole sentences, wrapped under the rows


def live_frame(view: RunState, message: str = "") -> LiveFrame:
    """Return what to show of a view; `message` is what the command itself has to say."""
    rows = []
    if view.loss.last is not None:
        figures = f"{number(view.loss.last)}   lr {number(view.lr, 3)}   {rate(view.images_per_second)}"
        rows.append(("loss", figures))
    if not view.ended:
        if view.seconds_left is not None:
            rows.append(("time left", duration(view.seconds_left)))
        rows.append(("now", phase_sentence(view.phase) if view.phase is not None else "starting"))
    if view.evaluations:
        latest = view.evaluations[-1]
        when = "untrained" if latest.step == 0 else f"epoch {latest.epoch}"
        rows.append(("latest", f"{accuracies(latest)} ({when})"))
    best = view.best_linear or view.best_knn
    if best is not None:
        rows.append(("best", f"{accuracies(best)} (epoch {best.epoch})"))
    if view.setup is not None:
        rows.append(("device", view.setup.device))
    notes = [notice_sentence(notice) for notice in view.notices[-2:]]
    if message and not view.ended:
        notes.append(message)
    return LiveFrame(
        title=safe(view.run_id),
        status=view.status,
        epoch=(view.epoch, view.epochs or None),
        step=(view.step_in_epoch, view.steps_per_epoch or None),
        rows=tuple((name, safe(text)) for name, text in rows),
        notes=tuple(safe(text) for text in notes),
    )


def render_frame(shown: LiveFrame, width: int) -> RenderableType:
    """Return the frame as rich draws it in `width` columns.

    The last row is empty and the cursor rests on it: the terminal's echo of a key (`^C`) goes there, where it
    cannot push a full row over the edge.
    """
    room = max(20, min(width, 100) - LABEL - 3)
    counts = [f"{done}/{total or '?'}" for done, total in (shown.epoch, shown.step)]
    bar = max(4, min(BAR, room - 1 - max(map(len, counts))))
    body = Table.grid(padding=(0, 2, 0, 0), expand=False)
    body.add_column(width=LABEL, style="dim", no_wrap=True)
    body.add_column(width=room, no_wrap=True, overflow="ellipsis")
    body.add_row("epoch", _bar(*shown.epoch, counts[0], bar))
    body.add_row("step", _bar(*shown.step, counts[1], bar))
    for name, text in shown.rows:
        body.add_row(name, Text(text, no_wrap=True, overflow="ellipsis"))
    head = Text.assemble((shown.title, "bold"), "  ", (shown.status, _COLOURS[TONES[shown.status]]))
    head.no_wrap, head.overflow = True, "ellipsis"
    notes = (line for note in shown.notes for line in _wrapped(note, max(20, min(width, 100) - 1)))
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
        self._view: RunState | None = None

    def show(self, view: RunState, records: tuple[Record, ...]) -> None:  # noqa: ARG002
        """Draw the view if it looks different and the last drawing is old enough."""
        self._view = view
        if self._clock() - self._drawn_at >= FRAME_SECONDS:
            self._draw(view)

    def tell(self, text: str) -> None:
        """Show what the command has to say as the last row; on stderr too where that goes elsewhere."""
        self._message = text
        if not sys.stderr.isatty():
            from wmse_tui.cli.console import print_message

            print_message(text)
        if self._view is not None:
            self._draw(self._view)

    def close(self) -> None:
        """Leave the last frame standing and the terminal as it was."""
        if self._view is not None:
            self._draw(self._view)
        self._live.stop()

    def _draw(self, view: RunState) -> None:
        wanted = live_frame(view, self._message)
        if wanted == self._drawn:
            return
        if self._drawn is None:
            self._live.start()
        self._drawn, self._drawn_at = wanted, self._clock()
        self._live.update(render_frame(wanted, self._console.width), refresh=True)
