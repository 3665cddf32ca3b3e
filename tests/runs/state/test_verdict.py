"""The verdict: each word on a history made for it, and none on recorded runs that were well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.runs.log.events import Diagnostics, Exit, Record, Steps
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import SAMPLES, Verdict, judge, loss_without_structure, slice_floor

W_MSE = ConfigSummary(method="w_mse", batch_size=512, whitening_size=128, normalize=True)
SIMCLR = ConfigSummary(method="simclr", batch_size=256)
CW_RGP = ConfigSummary(method="cw_rgp", batch_size=256, whitening_size=64, normalize=True)
BYOL = ConfigSummary(method="byol", batch_size=256)

HEALTHY: dict[str, Any] = {
    "effective_rank": 20.0,
    "effective_rank_null": 56.0,
    "condition_number": 500.0,
    "smallest_pivot": 0.01,
    "feature_std": 0.8,
    "mean_correlation": 0.2,
}


def sample(step: int, **numbers: float | None) -> Diagnostics:
    fields = HEALTHY | {"space": "projector", "dim": 64} | numbers
    return Diagnostics(step=step, epoch=0, samples=512, spectrum=(), seconds=0.1, **fields)


def history(
    *samples: dict[str, Any], about: ConfigSummary = W_MSE, loss: tuple[float | None, ...] = (1.5, 1.4, 1.3)
) -> RunState:
    state = fold(RunState(summary=about), [Record(1, 1, 1.0, 1, Steps(1, loss))])
    for step, numbers in enumerate(samples, 1):
        state = fold(state, [Record(1, 1 + step, 1.0 + step, 1, sample(step, **numbers))])
    return state


def test_a_run_with_its_dimensions_and_a_falling_loss_is_healthy() -> None:
    assert judge(history({}, {}, {})) == Verdict(
        "healthy", "the effective rank is 20, 36 % of that of noise", ()
    )


@pytest.mark.parametrize("samples", range(SAMPLES))
def test_too_few_samples_are_no_verdict(samples: int) -> None:
    verdict = judge(history(*[{"effective_rank": 1.0}] * samples))
    assert (verdict.name, verdict.advice) == ("unknown", ())
    assert verdict.evidence == f"{samples} of 3 diagnostics samples that a verdict needs"
    assert judge(RunState()).name == "unknown"
    ended = replace(history(*[{"effective_rank": 1.0}] * samples), status="completed")
    assert judge(ended).evidence == f"the run was too short: it has {verdict.evidence}"


def test_one_odd_look_changes_nothing() -> None:
    odd = {"effective_rank": 1.1, "smallest_pivot": 1e-7, "condition_number": 1e9, "mean_correlation": 0.9}
    assert judge(history({}, {}, {}, odd)).name == "healthy"
    assert judge(history({}, {}, {}, odd, odd)).name == "collapsed"


def test_one_direction_that_is_left_is_a_collapse() -> None:
    verdict = judge(history(*[{"effective_rank": 1.25}] * 3))
    assert verdict.name == "collapsed"
    assert (
        verdict.evidence == "the effective rank is 1.25, 2 % of that of noise: the embeddings lie on a line"
    )
    assert verdict.advice == ("a lower optimizer.lr, or a longer schedule.warmup_steps",)


def test_embeddings_that_are_all_one_point_are_a_collapse() -> None:
    verdict = judge(history(*[{"feature_std": 0.02}] * 3, about=BYOL))
    assert verdict.name == "collapsed"
    assert verdict.evidence.startswith("the standard deviation of the features is 0.02 of an even spread's")
    assert verdict.advice[-1] == "method.momentum nearer to 1"


def test_an_effective_rank_of_zero_is_a_collapse() -> None:
    assert judge(history(*[{"effective_rank": 0.0, "feature_std": 0.0}] * 3)).name == "collapsed"


def test_two_embedding_dimensions_are_not_called_collapsed_for_being_two() -> None:
    few = {"dim": 2, "effective_rank": 1.4, "effective_rank_null": 1.99}
    assert judge(history(*[few] * 3)).name == "healthy"


@pytest.mark.parametrize(
    ("signs", "evidence"),
    [
        ({"effective_rank": 3.0, "mean_correlation": 0.6}, "dimensions correlate by 0.6 on average"),
        ({"effective_rank": 3.0, "condition_number": 1e6}, "the condition number is 1e+06, that of noise 35"),
        (
            {"condition_number": 1e6, "smallest_pivot": 5e-5},
            "the smallest pivot of the whitening is 5e-05 of the largest",
        ),
        ({"smallest_pivot": 1e-5}, "the smallest pivot of the whitening is 1e-05 of the largest"),
    ],
)
def test_two_signs_or_a_factor_about_to_fail_are_a_collapse_on_its_way(
    signs: dict[str, float], evidence: str
) -> None:
    verdict = judge(history(*[signs] * 3))
    assert verdict.name == "collapsing"
    assert evidence in verdict.evidence
    assert verdict.advice


@pytest.mark.parametrize(
    "sign",
    [
        {"effective_rank": 3.0},
        {"condition_number": 1e7},
        {"smallest_pivot": 5e-5},
        {"mean_correlation": 0.7},
        {"effective_rank": 3.0, "dim": 4, "effective_rank_null": 3.97, "mean_correlation": 0.6},
    ],
)
def test_one_sign_alone_is_none(sign: dict[str, float]) -> None:
    assert judge(history(*[sign] * 3)).name == "healthy"


def test_pivots_say_nothing_where_a_shrinkage_holds_them_up() -> None:
    assert judge(history(*[{"smallest_pivot": 1e-6}] * 3, about=replace(W_MSE, eps=0.1))).name == "healthy"


def test_whole_views_have_no_condition_number_to_compare_with() -> None:
    samples = [{"effective_rank": 3.0, "condition_number": 1e9, "smallest_pivot": None}] * 3
    assert judge(history(*samples, about=SIMCLR, loss=(5.0,))).name == "healthy"


def test_a_rank_that_falls_far_below_its_best_is_a_verdict_before_it_is_lost() -> None:
    falling = [{"effective_rank": rank} for rank in (25.0, 24.0, 22.0, 15.0, 10.0, 8.0, 7.0, 6.0, 5.5)]
    verdict = judge(history(*falling))
    assert verdict.name == "rank falling"
    assert verdict.evidence == "the effective rank is 6, 11 % of that of noise, and 25 at its best"
    recovering = [*falling, *({"effective_rank": rank} for rank in (6.5, 7.0, 7.5))]
    assert judge(history(*recovering)).name == "healthy"


def test_the_usual_dip_of_the_first_epochs_is_no_fall() -> None:
    dip = [{"effective_rank": rank} for rank in (15.2, 14.0, 12.9, 10.0, 8.0, 6.5, 6.1, 6.08, 6.2)]
    assert judge(history(*dip)).name == "healthy"


@pytest.mark.parametrize("about", [W_MSE, SIMCLR, CW_RGP])
def test_a_loss_at_its_no_structure_value_has_taught_nothing(about: ConfigSummary) -> None:
    nothing = loss_without_structure(about)
    assert nothing is not None
    verdict = judge(history({}, {}, {}, about=about, loss=(nothing,) * 40))
    assert verdict.name == "unknown"
    assert "means nothing is learned" in verdict.evidence
    assert verdict.advice[0] == "more steps, if these are the first"
    assert (
        judge(history({}, {}, {}, about=about, loss=(*[nothing] * 40, *[0.9 * nothing] * 20))).name
        == "healthy"
    )


def test_views_that_are_nearly_the_same_teach_little() -> None:
    verdict = judge(history({}, {}, {}, loss=(0.02,) * 40))
    assert verdict.name == "unknown"
    assert "the loss is 0.02: the views of an image are nearly the same" in verdict.evidence
    assert "crop_scale" in verdict.advice[0]


def test_numbers_that_are_not_finite_are_a_divergence() -> None:
    lost = judge(history({}, {}, {}, loss=(1.5, None)))
    assert (lost.name, lost.evidence) == ("diverging", "the loss is not finite at step 2")
    blind = judge(history({}, {"effective_rank": None}))
    assert (blind.name, blind.evidence) == ("diverging", "the embeddings are not finite at step 2")
    end = fold(
        history({}, {}, {}), [Record(1, 9, 9.0, 1, Exit(status="diverged", step=3, epoch=0, seconds=1.0))]
    )
    assert (judge(end).name, judge(end).evidence) == ("diverging", "the run diverged at step 3")
    assert "a lower optimizer.lr" in lost.advice
    once = history({}, {}, {}, loss=(1.5, None, 1.4))
    assert judge(once).name == "healthy", "a step that was lost and passed is no divergence"


def test_advice_fits_the_method_and_its_options() -> None:
    collapsed = [{"effective_rank": 1.1}] * 3
    small = judge(history(*collapsed, about=replace(W_MSE, whitening_size=70, eps=0.2)))
    assert small.advice[:2] == (
        "a smaller method.eps (0.2 now, 0 in the paper)",
        "method.whitening_size 128, twice the embedding size, or a smaller projector.dim",
    )
    assert judge(history(*collapsed, about=SIMCLR)).advice[0] == "a lower method.temperature"


def test_unknown_numbers_are_no_signs() -> None:
    blank = {name: None for name in HEALTHY if name != "effective_rank"}
    verdict = judge(history(*[blank] * 3))
    assert (verdict.name, verdict.evidence) == ("healthy", "the effective rank is 20")


def test_without_a_loss_nothing_is_healthy_yet() -> None:
    assert judge(history({}, {}, {}, loss=())).name == "unknown"


def test_the_floor_of_slices_is_that_of_noise_and_there_only_where_slices_are() -> None:
    assert slice_floor(sample(1), W_MSE) == pytest.approx(34.7, abs=0.1)
    assert slice_floor(sample(1), replace(W_MSE, whitening_size=64)) is None
    assert slice_floor(sample(1), SIMCLR) is None


RECORDED = json.loads((Path(__file__).parents[1] / "data" / "histories.json").read_text())


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_runs_get_their_verdicts_and_never_a_false_alarm(name: str) -> None:
    """Photographs: 6,000 of CIFAR-10, a small ResNet, 64 embedding dimensions. Patterns: `quickstart`.

    The ResNet-18 on patterns learns at a rate of 3e-4. At 0.003 its loss falls too, and the covariance of a
    slice loses its Cholesky factor at step 71, 56 steps after the first verdict of a collapse; before
    step 11 no number of it had reached a bound.
    """
    recorded = RECORDED[name]
    state = RunState(summary=ConfigSummary(**recorded["summary"]))
    verdicts = []
    written = 0
    for row in recorded["looks"]:
        numbers = dict(zip(recorded["columns"], row, strict=True))
        losses = tuple(recorded["loss"][written : numbers["step"]])
        if losses:
            state = fold(state, [Record(1, 1, 1.0, 1, Steps(written + 1, losses))])
            written = numbers["step"]
        event = Diagnostics(epoch=0, samples=256, spectrum=(), seconds=0.0, dim=recorded["dim"], **numbers)
        state = fold(state, [Record(1, 1, 1.0, 1, event)])
        verdicts.append(judge(state).name)
    assert len(verdicts) >= 10
    if recorded["well"]:
        assert set(verdicts) <= {"unknown", "healthy"}
        assert verdicts[-1] == "healthy"
    else:
        assert set(verdicts[-5:]) <= {"collapsing", "collapsed"}
        steps = [row[0] for row in recorded["looks"]]
        late = [
            verdict
            for step, verdict in zip(steps, verdicts, strict=True)
            if step >= recorded.get("first_sign", 0)
        ]
        assert "healthy" not in late[5:]


def test_small_pivots_of_random_groups_are_no_sign_and_tiny_ones_are() -> None:
    """CW-RGP at the size of quickstart, at 5-NN 73.8 (52.8 untrained): a low share of many dimensions."""
    samples = [
        {"effective_rank": 9.4, "effective_rank_null": 198.6, "smallest_pivot": pivot}
        for pivot in (9e-5, 1e-5)
    ]
    assert judge(history(*samples[:1] * 3, about=CW_RGP)).name == "healthy"
    assert judge(history(*samples[:1] * 3)).name == "collapsing"
    assert judge(history(*samples[1:] * 3, about=CW_RGP)).name == "collapsing"


BARLOW = ConfigSummary(method="barlow_twins", batch_size=256)
LINE = (12.3, 3.3, 1.9, 1.3, 1.25, 1.22, 1.23, 1.3, 1.5, 1.7, 1.9, 2.0, 2.1, 2.15, 2.16, 2.17)
"""Effective ranks of Barlow Twins at the size of quickstart: it begins on a line and leaves it."""


@pytest.mark.parametrize(
    ("ranks", "pivot", "losses", "name"),
    [
        (LINE, None, (12.0, 9.0, 6.0, 5.0, 4.0, 3.5), "unknown"),
        (LINE, None, (12.0, 9.0, 6.0, 5.0, 5.0, 5.5), "collapsing"),  # the loss rises
        (LINE, 5e-5, (12.0, 9.0, 6.0, 5.0, 4.0, 3.5), "collapsing"),  # a factorisation nears its end
        ((*LINE, 2.0, 1.8, 1.8), None, (12.0, 9.0, 6.0, 5.0, 4.0, 3.5), "collapsing"),  # it falls back
        ((*LINE[:9], 1.6, 1.6, 1.6), None, (12.0, 9.0, 6.0, 5.0, 4.0, 3.5), "collapsing"),  # hardly risen
    ],
)
def test_a_low_rank_that_rises_while_the_loss_falls_is_no_collapse(
    ranks: tuple[float, ...], pivot: float | None, losses: tuple[float, ...], name: str
) -> None:
    signs = {"mean_correlation": 0.66, "smallest_pivot": pivot, "effective_rank_null": 30.0}
    spread = tuple(loss for loss in losses for _ in range(20))
    verdict = judge(history(*[signs | {"effective_rank": rank} for rank in ranks], about=BARLOW, loss=spread))
    assert verdict.name == name
    if name == "unknown":
        assert verdict.evidence == (
            "the effective rank is 2.16, 7 % of that of noise, but rises, from 1.23 at its lowest, "
            "and the loss falls"
        )


def test_dimensions_that_go_while_nothing_is_learned_are_a_collapse() -> None:
    """Whitening onto principal axes ends so: the loss of unrelated views, on ever fewer dimensions."""
    ranks = [10.0, 9.0, 8.5, 8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.2, 5.1, 5.0]
    samples = [{"effective_rank": rank} for rank in ranks]
    pca, stays = replace(W_MSE, operator="pca"), (1.95,) * 100
    stuck = judge(history(*samples, about=pca, loss=stays))
    assert stuck.name == "collapsed"
    assert stuck.evidence == (
        "the effective rank is 5.1, 9 % of that of noise, and 10 at its best, while the loss stays at 1.95, "
        "and 2 means nothing is learned: the embeddings lost dimensions for nothing"
    )
    assert stuck.advice[0] == "method.operator=cholesky or zca: pca is known to collapse"
    learning = judge(history(*samples, about=pca, loss=(*stays, *[1.6] * 100)))
    assert learning.name != "collapsed"
    assert judge(history(*samples[:-1], about=pca, loss=stays)).name != "collapsed", "too few samples"
    assert judge(history(*samples, about=pca, loss=stays[1:])).name != "collapsed", "too few steps"
    high = [{"effective_rank": 3 * rank} for rank in ranks]
    assert judge(history(*high, about=pca, loss=stays)).name == "unknown", "dimensions enough"
    low = [{"effective_rank": 6.0}] * 12
    assert judge(history(*low, about=pca, loss=stays)).name == "unknown", "nothing was lost"


def test_newton_steps_that_did_not_hold_the_dimensions_are_distinguished_from_roots_that_do() -> None:
    collapsed = judge(history(*[{"effective_rank": 1.1}] * 3, about=replace(W_MSE, operator="iterative")))
    assert (
        collapsed.advice[0]
        == "method.operator=cholesky or zca: iterative whitens only where there is variance left"
    )


@pytest.mark.parametrize(
    ("numbers", "evidence"),
    [
        ({"effective_rank": 1.2}, "the effective rank of the encoder's features is 1.2: they lie on a line"),
        (
            {"feature_std": 0.01},
            "the encoder's features spread by 0.01 of an even spread: they are one point",
        ),
    ],
)
def test_an_encoder_that_has_collapsed_under_a_head_that_has_not_is_a_verdict(
    numbers: dict[str, Any], evidence: str
) -> None:
    samples = [item for _ in range(3) for item in ({}, {"space": "features", **numbers})]
    verdict = judge(history(*samples))
    assert (verdict.name, verdict.evidence) == ("collapsed", evidence)
    assert judge(history(*samples[:4], {})).name == "healthy", "two samples of the features are too few"
