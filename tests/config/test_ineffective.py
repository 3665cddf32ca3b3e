"""Options without effect beside the others are listed with the reason; those with an effect are not."""

from __future__ import annotations

import pytest

from wmse_tui.config.advice import advise
from wmse_tui.config.ineffective import ineffective_options
from wmse_tui.config.loading import load_experiment

# overrides that remove the effect, the option without effect, and a part of the reason
CASES = [
    (["projector.layers=1"], "projector.hidden=77", "one layer"),
    (["projector.layers=1"], "projector.batch_norm=false", "one layer"),
    (["augmentation.jitter_p=0"], "augmentation.hue=0.2", "probability of jitter is 0"),
    (
        ["augmentation={brightness: 0, contrast: 0, saturation: 0, hue: 0}"],
        "augmentation.jitter_p=0.5",
        "are all 0",
    ),
    ([], "augmentation.blur_sigma=[0.1, 1]", "probability of a blur is 0"),
    (["schedule.milestones=[]"], "schedule.gamma=0.5", "no milestones"),
    (["schedule.gamma=1"], "schedule.milestones=[9]", "the full learning rate"),
    (["schedule.kind=cosine"], "evaluation.every_after_drop=9", "no milestones"),
    (["schedule.milestones=[]"], "evaluation.every_after_drop=9", "no milestones"),
    (["evaluation.knn=off"], "evaluation.neighbours=9", "k-NN is off"),
    (["evaluation.linear=off"], "evaluation.linear_epochs=9", "probe is off"),
    (["evaluation.linear=off"], "evaluation.linear_at=every", "probe is off"),
    (["dataset.name=patterns"], "dataset.root=/images", "patterns are generated"),
    (["dataset.name=patterns"], "dataset.download=false", "patterns are generated"),
    (
        ["dataset={name: folder, root: /a, probe_train: /b, probe_test: /c}"],
        "dataset.held_out=0.3",
        "nothing is held out",
    ),
    (["method.operator=none"], "method.whitening_size=64", "nothing is whitened"),
    (
        ["method.name=simsiam", "schedule={kind: constant, warmup_steps: 0}"],
        "method.predictor_rate=scheduled",
        "constant for all weights",
    ),
    ([], "compute.workers=3", "auto prefers"),
    (["compute.device=cpu"], "compute.compile=graph", "graphs need a GPU"),
]


@pytest.mark.parametrize(("without", "override", "reason"), CASES, ids=lambda value: str(value)[:60])
def test_an_option_without_effect_is_listed_with_the_reason(
    without: list[str], override: str, reason: str
) -> None:
    path = override.partition("=")[0]
    experiment = load_experiment(overrides=[*without, override])
    found = {advice.path: advice for advice in advise(experiment)}
    assert found[path].level == "info"
    assert found[path].text.startswith("without effect: ")
    assert reason in found[path].text
    assert path not in dict(ineffective_options(load_experiment(overrides=without))), "it has its default"


@pytest.mark.parametrize(
    "overrides",
    [
        ["projector.hidden=77", "projector.layers=2"],
        ["augmentation.blur_sigma=[0.1, 1]", "augmentation.blur_p=0.1"],
        ["augmentation.jitter_p=0.5", "augmentation={brightness: 0, contrast: 0, saturation: 0}"],
        ["schedule.gamma=0.5", "evaluation.every_after_drop=9"],
        ["evaluation={knn: off, raw_pixels: true, neighbours: 9}"],
        ["method={operator: standardise, whitening_size: 64}"],
        ["method={name: simsiam, predictor_rate: scheduled}", "schedule={kind: constant}"],
        ["compute={loader: workers, workers: 3}"],
        ["compute={device: auto, compile: graph}"],
        ["dataset={name: folder, root: /a, held_out: 0.3}"],
    ],
    ids=lambda value: value[0],
)
def test_an_option_with_an_effect_is_not_listed(overrides: list[str]) -> None:
    assert not list(ineffective_options(load_experiment(overrides=overrides)))
