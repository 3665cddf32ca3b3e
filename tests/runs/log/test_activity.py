"""The activity of a run: dated lines of the events that matter to a reader, bounded, read in pieces."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from events import attempt, checkpoint, epoch, evaluation

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.activity import ActivityLine, ActivityLog
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import (
    Control,
    Error,
    Event,
    Exit,
    Notice,
    Phase,
    Record,
    Steps,
)
from wmse_tui.runs.state.watch import RunWatcher

START = 1_772_366_400.0  # 2026-03-01 12:00:00 UTC

ATTEMPT = attempt(epochs=3, steps_per_epoch=10, device_reason="no CUDA")
EPOCH = epoch(1, 10, loss=1.25, seconds=12.0, images_per_second=1800.0)


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def write(run: RunDirectory, *events: tuple[float, Event], seq: int = 1, attempt: int = 1) -> None:
    with run.events.open("a") as file:
        for number, (t, event) in enumerate(events, seq):
            file.write(encode(Record(1, number, START + t, attempt, event)) + "\n")


class Followed:
    """The activity of a run, as a watcher passes it on."""

    def __init__(self, run: RunDirectory, *, lines: int = 4000) -> None:
        self.log = ActivityLog(lines=lines)
        self.watcher = RunWatcher(run, records=self.log)

    def poll(self, *, budget_seconds: float | None = None) -> tuple[ActivityLine, ...]:
        self.watcher.poll(budget_seconds=budget_seconds)
        return self.log.lines()


def texts(lines: Sequence[ActivityLine]) -> list[str]:
    return [line.text for line in lines]


def test_a_run_without_a_log_has_no_activity(run: RunDirectory) -> None:
    assert Followed(run).poll() == ()


def test_each_event_of_note_is_a_line_and_steps_are_none(run: RunDirectory) -> None:
    write(
        run,
        (0, Phase("start")),
        (1, Phase("data")),
        (2, Notice("warning", "W", "half of the images are grey")),
        (3, ATTEMPT),
        (4, Steps(first=1, loss=(1.5,))),
        (15, EPOCH),
        (16, evaluation(1, 10, 0.8125)),
        (17, checkpoint(10, "a.pt", epoch=1, kinds=("last", "best"))),
        (18, Control("1", "checkpoint", "done", "a.pt")),
        (19, Exit(status="stopped", step=10, epoch=1, seconds=19.0)),
    )
    lines = Followed(run).poll()
    assert texts(lines) == [
        "2026-03-01",
        "12:00:01  preparing the data",
        "12:00:02  warning  half of the images are grey",
        (
            "12:00:03  attempt 1  training begins: 3 epochs of 10 steps, 5000 images, 1.23 M parameters, "
            "on CPU, 2 threads (no CUDA)"
        ),
        "12:00:15  epoch 1/3  loss 1.25    1800 images/s  in 12 s",
        "12:00:16  evaluation  epoch 1: 5-NN 81.25 %  [train -> test, 1 s]",
        "12:00:17  checkpoint  a.pt (9.8 MB, last and best)",
        "12:00:18  request  checkpoint: done, a.pt",
        "12:00:19  stopped  epoch 1, step 10, after 19 s",
    ]
    assert [line.kind for line in lines] == [
        "day",
        "plain",
        "warning",
        "plain",
        "plain",
        "good",
        "plain",
        "control",
        "warning",
    ]


def test_an_error_says_what_is_saved_and_what_to_do(run: RunDirectory) -> None:
    error = Error(
        code="E",
        title="no room",
        detail="/data",
        saved="step 10",
        next=("delete something",),
        stage="training",
    )
    write(run, (0, error))
    assert texts(Followed(run).poll())[1:] == [
        "12:00:00  error  no room [E]: /data",
        "12:00:00         saved: step 10",
        "12:00:00         -> delete something",
    ]


def test_a_pause_and_its_end_are_lines(run: RunDirectory) -> None:
    write(run, (0, Phase("train")), (1, Phase("paused")), (9, Phase("train")), (10, Phase("knn")))
    assert texts(Followed(run).poll()) == ["2026-03-01", "12:00:01  paused", "12:00:09  training continues"]


def test_a_new_day_has_its_date(run: RunDirectory) -> None:
    write(run, (0, EPOCH), (86_400, EPOCH))
    assert [line.text for line in Followed(run).poll() if line.kind == "day"] == [
        "2026-03-01",
        "2026-03-02",
    ]


def test_what_was_done_again_is_listed_again(run: RunDirectory) -> None:
    write(run, (0, ATTEMPT), (1, EPOCH))
    write(run, (60, ATTEMPT), (61, EPOCH), seq=3, attempt=2)
    assert sum("epoch 1/3" in text for text in texts(Followed(run).poll())) == 2


def test_it_continues_where_it_was_and_gives_the_same_tuple_where_nothing_is_new(run: RunDirectory) -> None:
    activity = Followed(run)
    write(run, (0, EPOCH))
    first = activity.poll()
    assert activity.poll() is first
    write(run, (1, Steps(first=11, loss=(1.0,))), seq=2)
    assert activity.poll() is first
    write(run, (2, EPOCH), seq=3)
    assert len(activity.poll()) == len(first) + 1


def test_a_line_without_its_end_waits(run: RunDirectory) -> None:
    activity = Followed(run)
    line = encode(Record(1, 1, START, 1, EPOCH)) + "\n"
    run.events.write_text(line[:30])
    assert activity.poll() == ()
    run.events.write_text(line)
    assert len(activity.poll()) == 2


def test_only_the_newest_lines_are_retained(run: RunDirectory) -> None:
    write(run, *((number, EPOCH) for number in range(50)))
    activity = Followed(run, lines=5)
    assert texts(activity.poll())[-1].startswith("12:00:49")
    assert len(activity.poll()) == 5
    write(run, (50, EPOCH), seq=51)
    assert texts(activity.poll())[-1].startswith("12:00:50")


def test_a_long_log_is_read_in_pieces(run: RunDirectory) -> None:
    write(run, *((0, EPOCH) for _ in range(4000)))
    assert run.events.stat().st_size > 256 * 1024
    activity = Followed(run, lines=10_000)
    first = activity.poll(budget_seconds=0.0)
    lines = first
    while activity.watcher.behind is not None:
        lines = activity.poll(budget_seconds=0.0)
    assert 0 < len(first) < len(lines) == 4001


def test_a_log_that_was_replaced_is_read_from_its_beginning(run: RunDirectory) -> None:
    activity = Followed(run)
    write(run, (0, EPOCH), (1, EPOCH))
    activity.poll()
    other = run.path / "other"
    other.write_text(encode(Record(1, 1, START, 1, Phase("paused"))) + "\n")
    other.replace(run.events)
    assert texts(activity.poll()) == ["2026-03-01", "12:00:00  paused"]


def test_damage_is_passed_over_and_text_made_harmless(run: RunDirectory) -> None:
    run.events.write_text('{"v":1}\nnonsense\n')
    write(run, (0, Notice("info", "N", "\x1b[2J [/red] \u202e")))
    assert texts(Followed(run).poll())[1:] == ["12:00:00  note  \\x1b[2J [/red] \\u202e"]


def test_a_log_that_cannot_be_read_is_an_error(run: RunDirectory) -> None:
    run.events.mkdir()
    with pytest.raises(StorageError, match="cannot read the run's log"):
        Followed(run).poll()
