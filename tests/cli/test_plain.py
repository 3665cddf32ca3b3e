"""The plain lines of a followed run: golden text from a hand-made log, and how often they are printed."""

from __future__ import annotations

import pytest
from events import attempt, epoch

from wmse_tui.cli.follow.plain import PlainDisplay, PlainLines
from wmse_tui.runs.log.events import Control, Error, Event, Notice, Phase, Record, Steps
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

START = 1_772_366_400.0

GOLDEN = """\
2026-03-01 12:00:01  preparing the data
2026-03-01 12:00:02  note  5000 of 50000 images are used
2026-03-01 12:00:03  device  CPU, 2 threads (no CUDA: no card)
2026-03-01 12:00:03  data  5000 images (train), loader batched (the set fits in memory)
2026-03-01 12:00:03  training  2 epochs of 4 steps, 1.23 M parameters, exact resumption
2026-03-01 12:00:05  evaluation  untrained encoder: 5-NN 31.00 %, raw pixels 28.00 %  [train -> test, 2 s]
2026-03-01 12:00:09  epoch 1/2  step 4/8  loss 1.125  lr 0.003  1845 images/s  2 s left
2026-03-01 12:00:11  epoch 2/2  step 8/8  loss 0.4375  lr 0.003  1800 images/s
2026-03-01 12:00:14  evaluation  epoch 2: 5-NN 81.25 %, linear 87.50 % (top-5 99.00 %)  [train -> test, 3 s]
2026-03-01 12:00:16  completed  epoch 2, step 8, after 16 s
"""


def lines_of(records: tuple[Record, ...]) -> list[str]:
    """All lines of a log, each with the state after its record."""
    plain, state, lines = PlainLines(), RunState(), []
    for record in records:
        state = fold(state, [record])
        lines += plain.lines(record, state)
    return lines


def at(seconds: float, event: Event, seq: int = 1) -> Record:
    """A record of one moment."""
    return Record(1, seq, START + seconds, 1, event)


def test_a_finished_run_reads_as_expected(records: tuple[Record, ...]) -> None:
    assert "".join(line + "\n" for line in lines_of(records)) == GOLDEN


def test_a_replayed_log_has_the_numbers_of_each_moment_and_not_those_of_its_end() -> None:
    events: list[tuple[float, Event]] = [(0, attempt(epochs=3, steps_per_epoch=70))]
    for number, rate in ((1, 0.3), (2, 0.2), (3, 0.1)):
        first = 70 * (number - 1) + 1
        events += [
            (70 * number - 10, Steps(first=first, loss=(1.0,) * 65, lr=(rate,) * 65)),
            (70 * number, Steps(first=first + 65, loss=(1.0,) * 5, lr=(rate,) * 5)),
            (70 * number, epoch(number, 70 * number, seconds=70.0, images_per_second=10.0)),
        ]
    records = tuple(at(seconds, event, seq) for seq, (seconds, event) in enumerate(events, 1))
    end = fold(RunState(), records)
    plain = PlainLines()
    lines = [line[21:] for record in records[1:] for line in plain.lines(record, end)]
    assert lines == [
        "epoch 1/3  step 65/210  loss 1  lr 0.3",
        "epoch 1/3  step 70/210  loss 1  lr 0.3  10 images/s",
        "epoch 2/3  step 135/210  loss 1  lr 0.2",
        "epoch 2/3  step 140/210  loss 1  lr 0.2  10 images/s",
        "epoch 3/3  step 205/210  loss 1  lr 0.1",
        "epoch 3/3  step 210/210  loss 1  lr 0.1  10 images/s",
    ]


def test_a_repeated_phase_without_a_number_gets_no_line() -> None:
    phases = tuple(at(60 * n, Phase("train"), n) for n in range(1, 10))
    assert lines_of(phases) == []


def test_fast_epochs_get_a_line_every_few_seconds_only() -> None:
    epochs = tuple(at(0.5 * n, epoch(n, 4 * n, seconds=0.5), n) for n in range(1, 101))
    assert len(lines_of(epochs)) == 10  # fifty seconds


def test_a_run_of_hours_gets_a_line_a_minute() -> None:
    day = 86_400
    epochs = tuple(at(n, epoch(n, 4 * n, seconds=1.0), n) for n in range(1, day, 10))
    lines = lines_of(epochs)
    assert len(lines) < 24 * 60 + 200
    assert lines[-1][11:16] > "11:57"  # of the next day


def test_a_late_reader_gets_the_newest_lines_and_the_number_of_the_others() -> None:
    records = tuple(at(n, Notice("info", "N", f"notice {n}"), n) for n in range(100))
    printed: list[str] = []
    display = PlainDisplay(printed.append)
    display.show(RunState(), records)
    assert printed[0] == "(60 earlier lines left out)"
    assert [line.split()[-1] for line in printed[1:]] == [str(n) for n in range(60, 100)]
    display.show(RunState(), records[:1])
    assert len(printed) == 42


def test_what_is_read_in_parts_is_printed_as_what_is_read_at_once() -> None:
    records = tuple(at(n, Notice("info", "N", f"notice {n}"), n) for n in range(100))
    whole: list[str] = []
    PlainDisplay(whole.append).show(RunState(), records)
    parts: list[str] = []
    display = PlainDisplay(parts.append)
    for begin in range(0, 90, 30):
        display.show(RunState(), records[begin : begin + 30], more=True)
    assert parts == []
    display.show(RunState(), records[90:])
    assert parts == whole


def test_a_long_epoch_gets_a_line_once_a_minute() -> None:
    steps = tuple(at(n, Steps(first=n, loss=(1.0,), lr=(0.1,)), n) for n in range(1, 182))
    assert len(lines_of(steps)) == 4


def test_a_download_gets_a_line_every_ten_seconds_and_at_its_end() -> None:
    parts = tuple(
        at(n, Phase("download", float(n) * 1e6, 30e6, "bytes", "stl10_binary.tar.gz"), n)
        for n in range(1, 31)
    )
    assert [line[21:] for line in lines_of(parts)] == [
        "downloading stl10_binary.tar.gz: 1.0 MB of 30.0 MB",
        "downloading stl10_binary.tar.gz: 11.0 MB of 30.0 MB",
        "downloading stl10_binary.tar.gz: 21.0 MB of 30.0 MB",
        "downloading stl10_binary.tar.gz: 30.0 MB of 30.0 MB",
    ]


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Notice("warning", "W", "the disk is slow"), "warning  the disk is slow"),
        (
            Control("1", "stop_after_epoch", "accepted", "at the end"),
            "request  stop after epoch: accepted, at the end",
        ),
        (Error(code="E", title="no memory", stage="training"), "error  no memory [E]"),
    ],
)
def test_notices_requests_and_errors_always_get_a_line(event: Event, text: str) -> None:
    assert [line[21:] for line in lines_of((at(0, event),))] == [text]


def test_text_of_the_log_cannot_control_the_terminal() -> None:
    (line,) = lines_of((at(0, Notice("info", "N", "\x1b]52;c;eA==\x07 class \u202e name")),))
    assert not {"\x1b", "\x07", "\u202e"} & set(line)
