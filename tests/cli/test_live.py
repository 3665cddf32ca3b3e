"""The live display: the text of a frame, its width, and that only changes are drawn."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from wmse_tui.cli.follow.live import LiveDisplay, LiveFrame, live_frame, render_frame
from wmse_tui.runs.log.events import Attempt, Notice, Phase, Record
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

GOLDEN = """\
a-run  running
epoch      ━━━━━━━━━━━━━━━━━━                   1/2
step                                            0/4
loss       0.75   lr 0.003   1845 images/s
time left  2 s
now        training
latest     5-NN 31.00 %, raw pixels 28.00 % (untrained)
device     CPU, 2 threads
note  5000 of 50000 images are used

"""


@pytest.fixture
def state(records: tuple[Record, ...]) -> RunState:
    """The short run after its first epoch."""
    return replace(fold(RunState(run_id="a-run"), records[:9]), status="running")


def text_of(shown: LiveFrame, width: int = 80) -> str:
    """The frame as plain text in a terminal of `width` columns."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(render_frame(shown, width))
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def test_a_frame_shows_the_progress_of_the_run(state: RunState) -> None:
    assert text_of(live_frame(state)) == GOLDEN


def test_the_best_and_the_latest_accuracies_are_separate_rows(records: tuple[Record, ...]) -> None:
    state = fold(RunState(run_id="a-run"), records[:12])
    worse = replace(state.evaluations[-1], epoch=3, linear=None, knn=None)
    text = text_of(live_frame(replace(state, evaluations=(*state.evaluations, worse))))
    assert "latest     nothing to evaluate (epoch 3)" in text
    assert "best       5-NN 81.25 %, linear 87.50 % (top-5 99.00 %) (epoch 2)" in text


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_row_is_wider_than_the_terminal(state: RunState, width: int) -> None:
    long = replace(
        state,
        run_id="r" * 64,
        notices=tuple(Notice("warning", "W", "word " * 60) for _ in range(3)),
        phase=Phase("download", 1e9, 2.6e9, "bytes", "x" * 300),
    )
    lines = text_of(live_frame(long, "words " * 60), width).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.endswith(" 1/2") for line in lines)  # the count beside the bar is never cut off
    assert lines[-1] == ""  # free for the terminal's echo of a key


def test_a_message_of_the_command_fits_eighty_columns(state: RunState) -> None:
    message = "stopping: the trainer saves and exits (Ctrl-C again: do not wait for it)"
    assert message in text_of(live_frame(state, message))
    assert message.split() == " ".join(text_of(live_frame(state, message), 40).splitlines()[-3:]).split()


def test_a_completed_run_has_full_bars_and_no_message(records: tuple[Record, ...]) -> None:
    shown = live_frame(replace(fold(RunState(run_id="a-run"), records), status="completed"), "stopping")
    assert (shown.epoch, shown.step) == ((2, 2), (4, 4))
    assert "stopping" not in text_of(shown)


def test_a_run_that_has_not_reported_yet_has_a_frame(state: RunState) -> None:
    text = text_of(live_frame(RunState(run_id="a-run", status="starting")))
    assert text.startswith("a-run  starting\n")
    assert "0/?" in text
    assert "loss" not in text  # what is not known yet is not shown


def test_text_of_the_log_cannot_control_the_terminal(state: RunState) -> None:
    assert isinstance(state.setup, Attempt)
    evil = "\x1b]52;c;eA==\x07 [bold]not markup[/bold] \u202e"
    shown = live_frame(
        replace(
            state, run_id=evil, setup=replace(state.setup, device=evil), notices=(Notice("info", "N", evil),)
        )
    )
    text = text_of(shown)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert text.count("[bold]not markup[/bold]") == 3


def test_it_draws_four_times_a_second_at_most_and_never_the_same_twice(state: RunState) -> None:
    now = [0.0]
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, legacy_windows=False)
    display = LiveDisplay(console, clock=lambda: now[0])
    sizes = []
    for step in range(1, 101):
        now[0] = step * 0.01  # one second in a hundred polls, each with a new loss rate
        display.show(replace(state, images_per_second=1000.0 + step), ())
        sizes.append(len(out.getvalue()))
    assert 2 <= len(set(sizes)) <= 5
    now[0] += 1
    display.show(replace(state, images_per_second=1100.0), ())
    quiet = len(out.getvalue())
    for _ in range(10):
        now[0] += 1
        display.show(replace(state, images_per_second=1100.0), ())
    assert len(out.getvalue()) == quiet
    display.close()
    assert out.getvalue().endswith("\x1b[?25h")  # the cursor is back
