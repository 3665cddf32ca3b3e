"""The fold: what each event means for the state of a run, and what a resumption takes back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from event_strategies import EVENT
from events import attempt, checkpoint, diagnostics, epoch, evaluation, read_log
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.log.events import (
    Artifact,
    Control,
    Diagnostics,
    Error,
    Event,
    Exit,
    NormImportance,
    NormWeights,
    Notice,
    Phase,
    Record,
    Resources,
    Steps,
    Unknown,
)
from wmse_tui.runs.state.fold import (
    MAX_CONTROLS,
    MAX_DIAGNOSTICS,
    MAX_NOTICES,
    MAX_RESOURCES,
    fold,
)
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.to_json import state_to_json
from wmse_tui.runs.state.verdict import judge

GOLDEN = Path(__file__).parents[1] / "data" / "events-v1.jsonl"


def as_stored(event: Diagnostics) -> Diagnostics:
    """As the history stores it once there is a newer one."""
    return dataclasses.replace(event, spectrum=())


def folded(*events: Event, state: RunState | None = None, number: int = 1, t: float = 100.0) -> RunState:
    """The state after `events`, one a second from time `t` on, all of the attempt `number`."""
    state = RunState() if state is None else state
    records = (Record(1, state.seq + 1 + i, t + i, number, event) for i, event in enumerate(events))
    return fold(state, records)


def test_the_checked_in_log_of_version_1_folds_to_this() -> None:
    state = fold(RunState(run_id="golden"), read_log(GOLDEN))
    assert (state.attempt, state.epoch, state.epochs, state.step, state.total_steps) == (
        3,
        3,
        3,
        12,
        12,
    )
    assert state.loss.values() == (1.5, 1.25, 1.0, None, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, None)
    assert [(e.epoch, e.knn.top1 if e.knn else None) for e in state.evaluations] == [
        (0, 0.31),
        (1, 0.55),
        (2, 0.7),
    ]
    assert state.evaluations[0].raw_pixels == 0.28
    assert state.best_knn == state.best_linear == state.evaluations[2]
    assert [row.epoch for row in state.epoch_rows] == [1, 2, 3]
    assert [saved.file for saved in state.checkpoints] == ["step-00000004.pt", "step-00000008.pt"]
    assert [control.outcome for control in state.controls] == ["accepted"]
    assert [notice.code for notice in state.notices] == ["W_DISK"]
    assert state.error is not None
    assert state.error.title == "the loss is not finite"
    assert state.exit is not None
    assert state.exit.status == "diverged"
    assert state.setup is not None
    assert (state.setup.host, state.setup.device, state.setup.pid) == ("server", "cpu", 300)
    assert (state.lr, state.images_per_second, state.parts) == (
        0.001,
        512.0,
        (("between", None),),
    )
    assert (state.started, state.updated) == (1760000000.0, 1760000203.3)
    assert (state.phase, state.unreadable, state.seconds_left) == (None, 0, None)
    assert [(d.space, d.step, d.spectrum) for d in state.diagnostics] == [
        ("projector", 4, ()),
        ("encoder", 4, (8.0, 2.0, 1.0, 0.25)),
        ("projector", 8, ()),
        ("projector", 12, ()),
    ]
    assert state.resources is not None
    assert (state.resources.step, state.resources.gpu, state.resources.gpu_power) == (
        12,
        "NVIDIA H100",
        512.5,
    )
    assert [(a.kind, a.file, a.step) for a in state.artifacts] == [("embedding", "embedding.npz", 8)]
    assert (state.elapsed_before, round(state.elapsed, 3)) == (7.5 + 5.5, 7.5 + 5.5 + 2.3)
    assert [state.clock.at(step) for step in (0, 2, 4, 6, 12)] == [
        2.0,
        4.0,
        5.0,
        7.5 + 2.0,
        7.5 + 5.5 + 2.0,
    ]
    assert judge(state).name == "diverging"


def test_an_attempt_takes_back_what_lies_beyond_its_step_and_keeps_what_does_not() -> None:
    state = folded(
        attempt(),
        evaluation(0, 0, 0.1),
        Steps(1, (1.0, 2.0, 3.0, 4.0)),
        epoch(1, 4),
        checkpoint(4, "a.pt"),
        evaluation(1, 4, 0.5),
        Steps(5, (5.0, 6.0, 7.0, 8.0)),
        epoch(2, 8),
        checkpoint(8, "b.pt"),
        evaluation(2, 8, 0.9),
        Error(code="E", title="broken", stage="training"),
        Exit(status="failed", step=8, epoch=2, seconds=1.0),
    )
    assert (state.error is not None, state.exit is not None, state.best_knn) == (
        True,
        True,
        evaluation(2, 8, 0.9),
    )
    state = folded(attempt(4), state=state, number=2)
    assert state.loss.values() == (1.0, 2.0, 3.0, 4.0)
    assert state.epoch_rows == (epoch(1, 4),)
    assert state.evaluations == (evaluation(0, 0, 0.1), evaluation(1, 4, 0.5))
    assert state.checkpoints == (checkpoint(4, "a.pt"),)
    assert (state.step, state.epoch, state.error, state.exit) == (4, 1, None, None)


def test_a_resumption_in_the_middle_of_an_epoch_knows_its_epoch() -> None:
    state = folded(attempt(9, steps_per_epoch=4))
    assert (state.step, state.epoch) == (9, 2)


def test_any_event_of_a_later_attempt_clears_how_the_earlier_one_ended() -> None:
    state = folded(
        Error(code="E", title="x", stage="start"), Exit(status="failed", step=0, epoch=0, seconds=1.0)
    )
    state = folded(Phase("start"), state=state, number=2, t=900.0)
    assert (state.error, state.exit, state.phase) == (None, None, Phase("start"))
    assert (state.attempt, state.attempt_started, state.started) == (2, 900.0, 100.0)


def test_an_evaluation_asked_for_within_an_epoch_stands_beside_that_of_its_beginning() -> None:
    state = folded(evaluation(0, 0, 0.1), evaluation(0, 3, 0.3), evaluation(1, 4, 0.4), evaluation(1, 6, 0.6))
    assert [(e.epoch, e.step) for e in state.evaluations] == [(0, 0), (0, 3), (1, 4), (1, 6)]
    assert state.best_knn == evaluation(1, 6, 0.6)


def test_an_evaluation_of_the_same_step_replaces_the_earlier_one() -> None:
    state = folded(evaluation(1, 4, 0.9), evaluation(2, 8, 0.5), evaluation(1, 4, 0.4))
    assert state.evaluations == (evaluation(2, 8, 0.5), evaluation(1, 4, 0.4))
    assert state.best_knn == evaluation(2, 8, 0.5)


def test_the_best_is_the_first_of_the_highest_and_never_the_untrained_encoder() -> None:
    state = folded(evaluation(0, 0, 0.99, 0.99))
    assert (state.best_knn, state.best_linear) == (None, None)
    state = folded(evaluation(1, 4, 0.5), evaluation(2, 8, 0.7, 0.2), evaluation(3, 12, 0.7), state=state)
    assert state.best_knn == evaluation(2, 8, 0.7, 0.2)
    assert state.best_linear == evaluation(2, 8, 0.7, 0.2)


def test_unknown_events_move_only_the_place_in_the_log() -> None:
    before = folded(attempt(), Steps(1, (1.0,)))
    after = folded(Unknown("spectrum", '{"a":1}'), state=before, t=200.0)
    assert (after.seq, after.updated) == (3, 200.0)
    assert dataclasses.replace(after, seq=before.seq, updated=before.updated) == before


def test_a_step_from_nowhere_is_counted_and_changes_nothing_else() -> None:
    state = folded(Steps(1, (1.0,)), Steps(10**12, (1.0,)))
    assert (state.step, state.unreadable) == (1, 1)


def test_notices_and_answers_are_retained_up_to_a_bound() -> None:
    state = folded(*(Notice("info", "N", str(i)) for i in range(MAX_NOTICES + 5)))
    assert (len(state.notices), state.notices[-1].text) == (MAX_NOTICES, str(MAX_NOTICES + 4))
    state = folded(*(Control(str(i), "stop", "done") for i in range(MAX_CONTROLS + 5)))
    assert (len(state.controls), state.controls[-1].id) == (MAX_CONTROLS, str(MAX_CONTROLS + 4))


def test_the_time_left_counts_steps_at_the_recent_pace_and_evaluations_at_their_share() -> None:
    state = folded(attempt(epochs=10, steps_per_epoch=4), Phase("train"), Steps(1, (1.0,)))
    assert state.seconds_left is None
    state = folded(Steps(2, (1.0, 1.0)), epoch(1, 4), state=state, t=104.0)  # two steps in two seconds
    assert state.pace.seconds_per_step == 1.0
    assert state.seconds_left == 40 - 3
    state = folded(
        evaluation(1, 4, 0.5, seconds=8.0), state=state, t=106.0
    )  # eight seconds an epoch from now on
    assert state.seconds_left == 40 - 3 + 9 * 8.0


def test_an_evaluation_or_a_pause_between_two_reports_does_not_slow_the_pace() -> None:
    state = folded(attempt(), Phase("train"), Steps(1, (1.0,)), Steps(2, (1.0,)))
    state = folded(Phase("paused"), state=state, t=104.0)
    state = folded(Phase("train"), Steps(3, (1.0,)), Steps(4, (1.0,)), state=state, t=5000.0)
    assert state.pace.seconds_per_step == state.pace.median_seconds == 1.0


def test_the_view_is_plain_json_all_the_way_down() -> None:
    state = fold(RunState(run_id="golden"), read_log(GOLDEN))
    values = json.loads(json.dumps(state_to_json(state), allow_nan=False))
    assert values["run_id"] == "golden"
    assert values["best_knn"]["knn"] == {"top1": 0.7, "k": 5, "metric": "euclidean"}
    assert values["setup"]["versions"] == {"python": "3.11.7", "torch": "2.15.0"}
    assert values["loss"] == 0.3
    assert [bucket["last"] for bucket in values["loss_by_step"]["buckets"]][-1] == 0.3
    assert values["exit"]["status"] == "diverged"
    assert json.dumps(state_to_json(RunState()), allow_nan=False)


def test_the_view_is_immutable_all_the_way_down() -> None:
    state = fold(RunState(), read_log(GOLDEN))

    def assert_frozen(value: object) -> None:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, dataclasses.fields(value)[0].name, 0)
            for field in dataclasses.fields(value):
                assert_frozen(getattr(value, field.name))
        elif isinstance(value, tuple):
            for item in value:
                assert_frozen(item)
        else:
            assert isinstance(value, (str, bytes, int, float, type(None))), type(value)

    assert_frozen(state)


@given(split=st.integers(0, 30))
def test_folding_in_two_parts_is_folding_at_once(split: int) -> None:
    records = read_log(GOLDEN)
    whole = fold(RunState(), records)
    assert fold(fold(RunState(), records[:split]), records[split:]) == whole
    assert fold(whole, [records[-1]]).loss == whole.loss


def test_diagnostics_are_a_history_whose_newest_of_each_space_keeps_its_spectrum() -> None:
    state = folded(
        diagnostics(1),
        diagnostics(1, "encoder"),
        diagnostics(2),
        diagnostics(3),
        diagnostics(3, effective_rank=5.0),
    )
    assert state.diagnostics == (
        as_stored(diagnostics(1)),
        diagnostics(1, "encoder"),
        as_stored(diagnostics(2)),
        diagnostics(3, effective_rank=5.0),
    )
    assert state.latest("projector") == diagnostics(3, effective_rank=5.0)
    assert state.latest("encoder") == diagnostics(1, "encoder")
    assert state.latest("attic") is None


def test_a_long_history_is_thinned_in_each_space_and_keeps_its_newest() -> None:
    events = [
        diagnostics(step, space) for step in range(1, MAX_DIAGNOSTICS) for space in ("projector", "encoder")
    ]
    state = folded(*events)
    assert MAX_DIAGNOSTICS // 2 <= len(state.diagnostics) <= MAX_DIAGNOSTICS
    for space in ("projector", "encoder"):
        steps = [d.step for d in state.diagnostics if d.space == space]
        assert steps == sorted(set(steps))
        assert len(steps) > MAX_DIAGNOSTICS // 5
        assert state.latest(space) == diagnostics(MAX_DIAGNOSTICS - 1, space)


def test_spaces_without_end_are_bounded_too() -> None:
    state = folded(*(diagnostics(1, str(number)) for number in range(MAX_DIAGNOSTICS + 50)))
    assert len(state.diagnostics) <= MAX_DIAGNOSTICS + 1


def test_resources_cover_this_attempt_evenly_up_to_the_newest() -> None:
    state = folded(*(Resources(step=step, cpu=1.0) for step in range(MAX_RESOURCES + 5)))
    assert len(state.resource_rows) == MAX_RESOURCES
    assert state.resources == Resources(step=MAX_RESOURCES + 4, cpu=1.0)
    assert state.resource_rows[0].step == 0
    assert folded(Phase("start"), state=state, number=2).resource_rows == ()


def test_of_each_artifact_the_newest_is_known_also_after_a_resumption_that_took_its_step_back() -> None:
    def artifact(file: str, step: int) -> Artifact:
        return Artifact(kind="embedding", file=file, step=step, epoch=1, seconds=0.5)

    state = folded(attempt(), artifact("a.npz", 4), artifact("b.png", 4), artifact("a.npz", 8))
    state = folded(attempt(4), state=state, number=2)
    assert state.artifacts == (artifact("b.png", 4), artifact("a.npz", 8))


def test_a_resumption_takes_back_rates_speeds_clock_and_diagnostics() -> None:
    steps = [
        Steps(first, (1.0,) * 4, lr=(first / 100,) * 4, images_per_second=float(first)) for first in (1, 5, 9)
    ]
    state = folded(attempt(), *steps, diagnostics(4), diagnostics(10), t=100.0)
    assert [knots.last_step for knots in (state.rates, state.speeds, state.clock)] == [
        12.0,
        12.0,
        12.0,
    ]
    state = folded(attempt(8), state=state, number=2, t=900.0)
    assert state.rates.picked(10) == ((1.0, 0.01), (4.0, 0.01), (5.0, 0.05), (8.0, 0.05))
    assert state.speeds.picked(10) == ((4.0, 1.0), (8.0, 5.0))
    assert state.clock.picked(10) == ((0.0, 0.0), (4.0, 1.0), (8.0, 2.0))
    assert state.diagnostics == (as_stored(diagnostics(4)),)


def test_the_clock_counts_attempts_with_their_lost_work_and_not_the_time_between() -> None:
    state = folded(attempt(), Steps(1, (1.0,) * 4), Steps(5, (1.0,) * 4), t=100.0)
    state = folded(attempt(4), Phase("train"), Steps(5, (1.0,) * 4), state=state, number=2, t=90_000.0)
    assert state.clock.picked(10) == ((0.0, 0.0), (4.0, 1.0), (8.0, 2.0 + 2.0))
    assert (state.elapsed_before, state.elapsed) == (2.0, 4.0)


def test_a_clock_that_is_set_back_stands_still_and_one_of_nonsense_is_bounded() -> None:
    state = folded(attempt(), Steps(1, (1.0,)), t=1000.0)
    state = folded(Steps(2, (1.0,)), state=state, t=400.0)
    assert (state.clock.picked(9), state.elapsed) == (((0.0, 0.0), (1.0, 1.0), (2.0, 1.0)), 0.0)
    state = folded(Steps(3, (1.0,)), state=state, t=1.7e308)
    assert state.elapsed == 1e10


def test_a_drop_of_the_learning_rate_keeps_its_edge() -> None:
    state = folded(Steps(1, (1.0,) * 4, lr=(0.1,) * 4), Steps(5, (1.0,) * 4, lr=(0.02,) * 4))
    assert [state.rates.at(step) for step in (1, 4, 5, 8)] == [0.1, 0.1, 0.02, 0.02]


@given(st.lists(st.tuples(EVENT, st.integers(0, 2), st.floats(0, 1000)), max_size=30))
def test_what_is_folded_together_is_what_is_folded_one_by_one(events: list[tuple[Event, int, float]]) -> None:
    records = [Record(1, seq, t, number, event) for seq, (event, number, t) in enumerate(events, 1)]
    one_by_one = RunState()
    for record in records:
        one_by_one = fold(one_by_one, [record])
    assert fold(RunState(), records) == one_by_one


def test_following_steps_with_resources_between_are_folded_together() -> None:
    events: list[Event] = [
        Steps(1, (1.0, 2.0)),
        Resources(step=2),
        Steps(3, (3.0,)),
        Resources(step=3),
        Steps(4, (4.0, None)),
    ]
    state = folded(*events)
    one_by_one = RunState()
    for event in events:
        one_by_one = folded(event, state=one_by_one, t=100.0 + one_by_one.seq)
    assert state == one_by_one
    assert (state.loss.values(), state.step, state.seq) == ((1.0, 2.0, 3.0, 4.0, None), 5, 5)


def test_a_state_shares_what_it_has_in_common_with_the_one_before() -> None:
    """What a record costs does not grow with the records before it."""
    many = 10_000
    events: list[Event] = []
    for number in range(1, many + 1):
        events += [
            Steps(number, (0.5,), lr=(0.1,), images_per_second=9.0),
            epoch(number, number),
            evaluation(number, number, 0.5),
            checkpoint(number, f"step-{number:08}.pt"),
        ]
    before = folded(*events)
    step = many + 1
    more = (
        Steps(step, (0.4,)),
        epoch(step, step),
        evaluation(step, step, 0.6),
        checkpoint(step, "step-x.pt"),
    )
    after = folded(*more, state=before)
    assert (after.step, len(after.evaluations), len(after.epoch_rows)) == (step, step, step)
    for name in ("loss", "rates", "speeds", "clock", "epoch_rows", "evaluations", "checkpoints"):
        old, new = getattr(before, name), getattr(after, name)
        assert old.chunks, name
        assert all(mine is theirs for mine, theirs in zip(old.chunks, new.chunks, strict=False)), name


def test_a_report_of_no_steps_changes_nothing() -> None:
    state = folded(Steps(1, (1.0, 2.0)), Steps(1, ()), Steps(3, (3.0,)))
    assert state.loss.values() == (1.0, 2.0, 3.0)


def weights(step: int) -> NormWeights:
    return NormWeights(
        step=step, epoch=0, layers=(NormImportance("bn1", ("BW", "IW"), (0.5, 0.5), (0.4, 0.6)),)
    )


def test_of_norm_weights_the_newest_is_known_until_a_resumption_takes_its_step_back() -> None:
    state = RunState()
    events: tuple[Event, ...] = (attempt(), weights(4), weights(8))
    for number, event in enumerate(events, 1):
        state = fold(state, [Record(1, number, float(number), 1, event)])
    assert state.norm_weights == weights(8)
    assert state_to_json(state)["norm_weights"]["layers"][0]["covariances"] == [0.4, 0.6]
    assert fold(state, [Record(1, 4, 4.0, 2, attempt(8))]).norm_weights == weights(8)
    assert fold(state, [Record(1, 4, 4.0, 2, attempt(4))]).norm_weights is None
    assert state_to_json(RunState())["norm_weights"] is None
