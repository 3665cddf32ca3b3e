"""Comparing runs: what differs, what was reached, which repeat each other and how far they spread."""

from __future__ import annotations

from dataclasses import replace

import pytest
from events import attempt, epoch, evaluation

from wmse_tui.config.loading import load_experiment
from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.state.config import ConfigSummary, Configuration
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.table.compare import Comparison, Setting, Spread, Subject, compare, spread

SETUP = attempt(epochs=2, steps_per_epoch=4)


def evaluated(number: int, knn: float | None, linear: float | None = None) -> Evaluation:
    return evaluation(number, 4 * number, knn, linear)


def subject(
    name: str, *overrides: str, knn: float = 0.5, linear: float | None = None, state: Status = "completed"
) -> Subject:
    """A run of two epochs that ends at `knn`, after having been better by 0.25."""
    experiment = load_experiment(preset="quickstart", overrides=overrides)
    run_state = RunState(
        run_id=name,
        path=f"/runs/{name}",
        summary=ConfigSummary(seed=experiment.seed, epochs=2, method=experiment.method.name),
        status=state,
        started=100.0 + ord(name[0]),  # with an equal beginning they would be copies
        attempt_started=100.0,
        updated=130.0,
        elapsed_before=60.0,
        setup=SETUP,
        epoch=2,
        step=8,
        epoch_rows=(
            epoch(1, 4, seconds=1.0, images_per_second=64.0),
            epoch(2, 8, seconds=3.0, images_per_second=32.0),
        ),
        evaluations=(evaluated(0, 0.99), evaluated(1, knn + 0.25), evaluated(2, knn, linear)),
    )
    return Subject(run_state, Configuration(experiment))


def settings(comparison: Comparison) -> dict[str, list[str]]:
    return {d.key: [setting.text() for setting in d.settings] for d in comparison.differences}


def test_only_options_that_differ_are_listed_in_the_order_of_the_schema() -> None:
    comparison = compare(
        [subject("a"), subject("b", "schedule.epochs=24", "seed=1"), subject("c", "augmentation.hue=0.1")]
    )
    assert settings(comparison) == {
        "seed": ["0", "1", "0"],
        "augmentation.hue": ["0.0", "0.0", "0.1"],
        "schedule.epochs": ["12", "24", "12"],
    }
    epochs = comparison.differences[-1]
    assert (epochs.title, epochs.unit) == ("Epochs", "epochs")


def test_an_option_that_a_method_does_not_have_is_absent() -> None:
    comparison = compare([subject("a"), subject("b", "method.name=simclr")])
    found = {d.key: d.settings for d in comparison.differences}
    assert found["method.whitening_size"] == (Setting("set", 64), Setting("absent"))
    assert found["method.temperature"] == (Setting("absent"), Setting("set", 0.5))
    assert found["method.whitening_size"][1].text() == ""


def test_equal_runs_differ_in_nothing() -> None:
    assert compare([subject("a"), subject("b")]).differences == ()
    assert compare([subject("a")]).differences == ()
    assert compare([]) == Comparison((), (), ())


def test_a_broken_configuration_is_a_column_with_the_problem() -> None:
    broken = Subject(subject("b").state, Configuration(None, "config.yaml:3: seed: expected a number"))
    comparison = compare([subject("a"), broken, subject("c", "seed=2")])
    assert comparison.results[1].config_problem == "config.yaml:3: seed: expected a number"
    assert comparison.results[1].row.final_knn == 0.5
    assert settings(comparison) == {"seed": ["0", "?", "2"]}
    assert [group.runs for group in comparison.groups] == [("a", "c")]
    assert compare([broken, subject("a")]).differences == ()


def test_the_final_accuracy_is_the_last_and_the_best_is_of_a_trained_encoder() -> None:
    (result,) = compare([subject("a", knn=0.5, linear=0.625)]).results
    assert (result.row.final_knn, result.row.final_linear, result.final_epoch) == (0.5, 0.625, 2)
    assert (result.row.best_knn, result.row.best_linear) == (0.75, 0.625)


def test_times_are_those_of_the_epochs_and_of_the_trainer() -> None:
    (result,) = compare([subject("a")]).results
    assert result.elapsed_seconds == 90.0
    assert result.training_seconds == 4.0
    assert result.images_per_second == pytest.approx((64 * 1 + 32 * 3) / 4)
    assert (result.row.device, result.row.host) == ("CPU, 2 threads", "gpu-a")


def test_a_run_that_never_started_has_no_numbers() -> None:
    (result,) = compare([Subject(RunState(run_id="a"), Configuration(None, "x"))]).results
    assert {
        result.row.final_knn,
        result.row.best_linear,
        result.elapsed_seconds,
        result.training_seconds,
        result.images_per_second,
        result.row.loss,
    } == {None}


def test_runs_that_differ_in_the_seed_only_are_grouped_with_mean_and_sample_deviation() -> None:
    comparison = compare(
        [
            subject("a", "seed=1", knn=0.4),
            subject("other", "optimizer.lr=1e-3", knn=0.9),
            subject("b", "seed=2", "title=Twice", "compute.device=cpu", "checkpoint.keep=3", knn=0.6),
        ]
    )
    first, second = comparison.groups
    assert (first.runs, first.places, first.seeds) == (("a", "b"), (0, 2), (1, 2))
    assert first.final_knn is not None
    assert first.final_knn.n == 2
    assert first.final_knn.mean == pytest.approx(0.5)
    assert first.final_knn.std == pytest.approx(0.02**0.5)
    assert first.final_linear is None
    assert second.final_knn == Spread(1, 0.9, None)


def test_only_completed_runs_count_for_a_mean() -> None:
    (group,) = compare(
        [subject("a", "seed=1", knn=0.4), subject("b", "seed=2", knn=0.1, state="running")]
    ).groups
    assert (group.runs, group.completed) == (("a", "b"), ("a",))
    assert group.final_knn == Spread(1, 0.4, None)


def test_a_result_of_a_completed_run_that_lacks_a_number_lowers_n() -> None:
    (group,) = compare([subject("a", linear=0.5), subject("b", linear=0.7), subject("c")]).groups
    assert group.final_linear is not None
    assert (group.final_linear.n, len(group.completed)) == (2, 3)


def test_spread_is_that_of_a_sample() -> None:
    assert spread([]) is None
    assert spread([0.25]) == Spread(1, 0.25, None)
    assert spread([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == Spread(8, 5.0, (32 / 7) ** 0.5)


def test_a_running_run_has_the_state_and_place_that_it_is_at() -> None:
    running = subject("a", state="running")
    (result,) = compare([Subject(replace(running.state, epoch=1, step=5), running.configuration)]).results
    assert (result.row.status, result.row.epoch, result.row.epochs, result.row.step, result.total_steps) == (
        "running",
        1,
        2,
        5,
        8,
    )
