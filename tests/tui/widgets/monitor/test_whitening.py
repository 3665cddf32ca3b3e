"""The text of the whitening panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import NormImportance, NormWeights
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.verdict import Verdict
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.widgets.monitor.whitening import sample_rows, verdict_text, weight_bars

MakeRun = Callable[..., RunDirectory]


def rows(state: RunState, space: str) -> list[str]:
    return [row.plain for row in sample_rows(state, state.latest(space), space)]


def test_the_numbers_of_the_projector_are_beside_those_of_noise(make_run: MakeRun) -> None:
    assert rows(view_run(make_run("small", "completed")), "projector") == [
        "projector step 20, 256 images",
        "effective rank   26.4 of 32 (noise 30)",
        "condition number 44 (noise 35.5)",
        "smallest pivot   0.05",
        "feature std      0.159 (even 1)",
        "mean correlation 0.1",
    ]


def test_the_encoder_is_not_factorised(make_run: MakeRun) -> None:
    found = rows(view_run(make_run("small", "completed")), "encoder")
    assert found[0] == "encoder step 20, 256 images"
    assert found[3] == "smallest pivot   no factorisation"


def test_before_the_first_sample_there_is_a_sentence() -> None:
    assert rows(RunState(), "projector") == ["projector not sampled yet"]


def test_missing_numbers_are_dashes_and_large_ones_have_no_exponent(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "completed"))
    sample = state.latest("projector")
    assert sample is not None
    odd = replace(
        sample,
        effective_rank=None,
        effective_rank_null=None,
        condition_number=162_345.6,
        feature_std=None,
        mean_correlation=None,
    )
    found = [row.plain for row in sample_rows(state, odd, "projector")]
    assert found[1] == "effective rank   - of 32"
    assert found[2].startswith("condition number 162346 (")
    assert found[5] == "mean correlation -"


def test_a_verdict_comes_with_its_evidence_and_what_to_try() -> None:
    text = verdict_text(Verdict("collapsed", "the rank is 1.2 \x1b[2J", ("a larger batch", "[b]less[/b]")))
    assert text.plain == "collapsed  the rank is 1.2 \\x1b[2J\ntry a larger batch\ntry [b]less[/b]"
    assert text.spans[0].style == "bold $error"


def test_optional_numbers_have_a_row_where_the_sample_has_them(
    make_run: MakeRun,
) -> None:
    state = view_run(make_run("small", "completed"))
    sample = state.latest("projector")
    assert sample is not None
    more = replace(
        sample,
        rankme=28.4,
        alignment=0.25,
        contrastive_accuracy=0.875,
        standard_deviation=0.5,
        nulls=(("rankme", 31.5), ("alignment", 2.0), ("contrastive_accuracy", 1 / 256)),
    )
    found = [row.plain for row in sample_rows(state, more, "projector")]
    assert found[6:] == [
        "RankMe           28.4 (noise 31.5)",
        "deviation        0.5",
        "alignment        0.25 (unrelated 2)",
        "contrastive acc. 0.875 (chance 0.00391)",
    ]


def test_the_weights_of_norms_are_a_bar_for_each_statistic_of_each_layer() -> None:
    layer = NormImportance("layer1.1.bn1", ("BW", "IW"), (0.25, 0.75), (0.6, 0.4))
    bars = weight_bars(NormWeights(step=3, epoch=0, layers=(layer,)))
    assert [(bar.label, bar.value, bar.text) for bar in bars] == [
        ("BW layer1.1.bn1", 0.6, "0.60 0.25"),
        ("IW layer1.1.bn1", 0.4, "0.40 0.75"),
    ]
    assert weight_bars(None) == []
