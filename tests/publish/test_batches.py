"""Rows and batches: the names of the numbers, and what a resumption does to those that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from events import attempt, checkpoint, diagnostics, epoch, evaluation
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.publish.batches import Batch, DurableStream, LiveStream
from wmse_tui.publish.metric_rows import MetricRow, rows_of
from wmse_tui.runs.log.events import Event, Exit, RankLoad, Record, Resources, Steps


def records(*events: Event) -> list[Record]:
    """The events as records, each second one; an attempt begins the next attempt."""
    return [Record(1, seq, 1000.0 + seq, 1, event) for seq, event in enumerate(events, 1)]


def steps(first: int, *losses: float | None) -> Steps:
    return Steps(first=first, loss=losses, lr=(0.5,) * len(losses), images_per_second=90.0)


def losses(batches: Sequence[Batch]) -> list[tuple[int, float]]:
    rows = (row for batch in batches for row in batch.rows)
    return [(row.step, row.values["train/loss"]) for row in rows if "train/loss" in row.values]


def test_every_number_has_its_name() -> None:
    event = Steps(
        first=3, loss=(1.0, None), lr=(0.1, 0.2), parts=(("invariance", (0.5, 0.25)),), images_per_second=80.0
    )
    found = [row for record in records(event) for row in rows_of(record)]
    assert found == [
        MetricRow(3, 1001.0, {"train/loss": 1.0, "train/lr": 0.1, "train/invariance": 0.5}),
        MetricRow(4, 1001.0, {"train/lr": 0.2, "train/invariance": 0.25, "train/images_per_second": 80.0}),
    ]
    (row,) = rows_of(records(evaluation(2, 8, 0.5, 0.75, top5=0.9, raw_pixels=0.25))[0])
    assert (row.step, dict(row.values)) == (
        8,
        {"eval/knn_top1": 0.5, "eval/linear_top1": 0.75, "eval/linear_top5": 0.9, "eval/raw_pixels": 0.25},
    )
    (row,) = rows_of(records(diagnostics(8, "encoder", lidar=3.5))[0])
    assert row.values["diagnostics/encoder/lidar"] == 3.5
    assert row.values["diagnostics/encoder/effective_rank"] == 20.0
    assert not {"diagnostics/encoder/samples", "diagnostics/encoder/spectrum"} & row.values.keys()
    (row,) = rows_of(records(Resources(step=8, gpu="H200", cpu=1.5, cpu_count=2))[0])
    assert dict(row.values) == {"resources/cpu": 1.5, "resources/cpu_count": 2.0}
    ranks = (RankLoad(rank=0, host="a", cpu=1.0), RankLoad(rank=1, host="b", gpu_power=300.0))
    (row,) = rows_of(records(Resources(step=8, cpu=1.0, ranks=ranks))[0])
    assert dict(row.values) == {
        "resources/cpu": 1.0,
        "resources/cpu_count": 0.0,
        "resources/rank0/cpu": 1.0,
        "resources/rank1/gpu_power": 300.0,
    }
    assert list(rows_of(records(epoch(1, 4))[0])) == [MetricRow(4, 1001.0, {"train/epoch": 1.0})]
    assert not [row for record in records(attempt(), checkpoint(4, "x")) for row in rows_of(record)]


def test_durable_rows_are_sent_with_their_checkpoint() -> None:
    stream = DurableStream()
    log = records(attempt(), steps(1, 4.0, 3.0, 2.0), checkpoint(2, "a"), steps(4, 1.0), checkpoint(4, "b"))
    assert losses(stream.batches(log[:2])) == []
    assert losses(stream.batches(log[2:3])) == [(1, 4.0), (2, 3.0)]
    assert losses(stream.batches(log[3:])) == [(3, 2.0), (4, 1.0)]


def test_steps_that_were_lost_are_never_sent() -> None:
    log = records(
        attempt(), steps(1, 4.0, 3.0, 9.0, 9.0), checkpoint(2, "a"),
        attempt(2), steps(3, 2.0, 1.0), checkpoint(4, "b"),
    )  # fmt: skip
    assert losses(DurableStream().batches(log)) == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]


def test_the_last_steps_are_sent_when_the_run_completes_and_not_when_it_fails() -> None:
    log = records(attempt(), steps(1, 4.0, 3.0), checkpoint(1, "a"))
    outcomes: dict[Literal["completed", "diverged"], list[tuple[int, float]]] = {
        "completed": [(1, 4.0), (2, 3.0)],
        "diverged": [(1, 4.0)],
    }
    for status, wanted in outcomes.items():
        end = records(*(record.event for record in log), Exit(status=status, step=2, epoch=1, seconds=5.0))
        assert losses(DurableStream().batches(end)) == wanted


def test_a_rewind_behind_what_was_sent_is_reported_and_nothing_is_sent_twice() -> None:
    log = records(
        attempt(), steps(1, 4.0, 3.0, 2.0), checkpoint(3, "a"),
        attempt(1), steps(2, 8.0, 8.0, 1.0), checkpoint(4, "b"),
    )  # fmt: skip
    found = DurableStream().batches(log)
    assert [batch.rewind for batch in found] == [None, 1, None]
    assert losses(found) == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]


def test_a_live_stream_rewinds() -> None:
    found = LiveStream().batches(records(attempt(), steps(1, 4.0, 3.0, 9.0), attempt(2), steps(3, 2.0)))
    assert [(batch.rewind, losses([batch])) for batch in found] == [
        (None, [(1, 4.0), (2, 3.0), (3, 9.0)]),
        (2, []),
        (None, [(3, 2.0)]),
    ]


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    """Logs of several attempts: steps, checkpoints, evaluations, and resumptions at a checkpoint."""
    events: list[Event] = [attempt()]
    step, saved, value = 0, [0], 1.0
    for action in draw(st.lists(st.sampled_from("ssscera"), max_size=25)):
        value += 1.0
        if action == "s":
            count = draw(st.integers(1, 4))
            events.append(steps(step + 1, *(value + place / 10 for place in range(count))))
            step += count
        elif action == "c" and step > saved[-1]:
            events.append(checkpoint(step, f"step-{step}"))
            saved.append(step)
        elif action == "e":
            events.append(evaluation(1, step, 0.5))
        elif action == "r":
            step = saved[-1]
            events.append(attempt(step))
        elif action == "a" and len(saved) > 1:  # the newest checkpoint is damaged
            saved.pop()
            step = saved[-1]
            events.append(attempt(step))
    if draw(st.booleans()):
        events.append(Exit(status="completed", step=step, epoch=1, seconds=1.0))
    return records(*events)


@given(logs(), st.data())
def test_however_the_log_is_cut_the_batches_are_the_same(log: list[Record], data: st.DataObject) -> None:
    whole = DurableStream().batches(log)
    cut = data.draw(st.integers(0, len(log)))
    stream = DurableStream()
    assert stream.batches(log[:cut]) + stream.batches(log[cut:]) == whole


@given(logs())
def test_each_durable_step_is_sent_once(log: list[Record]) -> None:
    sent = [step for step, _ in losses(DurableStream().batches(log))]
    assert sent == sorted(set(sent))
