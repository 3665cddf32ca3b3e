"""Invalid options: what was expected, what was found, and the nearest valid name."""

from __future__ import annotations

import pytest

from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.validation import MOST


def errors(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_experiment(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead: 1", "x.yaml:1: sead: unknown key; did you mean seed?"),
        (
            "method: {whitenig_size: 1}",
            "x.yaml:1: method.whitenig_size: unknown key; did you mean method.whitening_size?",
        ),
        (
            "method: {temperature: 1}",
            "x.yaml:1: method.temperature: unknown key; only method.name=simclr has it",
        ),
        ("optimizer: {epochs: 1}", "x.yaml:1: optimizer.epochs: unknown key; did you mean schedule.epochs?"),
        (
            "optimizer: {momentum: 1}",
            "x.yaml:1: optimizer.momentum: unknown key; only optimizer.name=sgd or lars has it",
        ),
        ("paper: {qqq: 1}", "x.yaml:1: paper.qqq: unknown key; known keys: linear, knn, source, note"),
        ("method.name: byol", "a key cannot have a dot; write `method:` and, indented below it, `name:`"),
        ('"\\e[31m": 1', r"unknown key '\x1b[31m'"),
        ("extends: stl10", "x.yaml:1: extends: a complete configuration extends nothing; remove it"),
        ("seed: 1.5", "x.yaml:1: seed: expected a whole number, got 1.5"),
        ("seed: '1'", "x.yaml:1: seed: expected a whole number, got '1'; write it without quotes"),
        ("seed: true", "x.yaml:1: seed: expected a whole number, got true"),
        ("seed: -1", "x.yaml:1: seed: must be at least 0, got -1"),
        ("seed: 4294967296", "x.yaml:1: seed: must be below 4294967296, got 4294967296"),
        ("augmentation: {views: 1}", "x.yaml:1: augmentation.views: must be at least 2, got 1"),
        ("optimizer: {lr: 0}", "x.yaml:1: optimizer.lr: must be above 0, got 0"),
        ("optimizer:\n  lr: fast", "x.yaml:2: optimizer.lr: expected a number, got 'fast'"),
        ("augmentation: {hue: 0.6}", "x.yaml:1: augmentation.hue: must be at most 0.5, got 0.6"),
        (
            "projector: {batch_norm: on}",
            "x.yaml:1: projector.batch_norm: expected true or false, got 'on'; write true",
        ),
        ("title: 3", "x.yaml:1: title: expected text, got 3"),
        (f"title: {'x' * 201}", "x.yaml:1: title: expected at most 200 characters, got 'xxx"),
        ("dataset: {root: 3}", "x.yaml:1: dataset.root: expected the path of a folder, got 3"),
        (
            "compute: {device: gpu}",
            "x.yaml:1: compute.device: expected something like auto, cpu, cuda, cuda:1, got 'gpu'",
        ),
        ("dataset: {name: cifar}", "got 'cifar'; did you mean cifar10?"),
        ("dataset: {name: 3}", "x.yaml:1: dataset.name: expected one of patterns, cifar10, cifar100, stl10,"),
        (
            "method: {name: wmse}",
            "got 'wmse'; did you mean w_mse?",
        ),
        (
            "schedule: {kind: [step]}",
            "x.yaml:1: schedule.kind: expected one of step, cosine, constant, got ['step']",
        ),
        (
            "method: byol",
            "x.yaml:1: method: expected a section of keys and values, got 'byol'; write name: byol below it",
        ),
        (
            "backbone: [resnet18]",
            "x.yaml:1: backbone: expected a section of keys and values, got ['resnet18']",
        ),
        (
            "augmentation: {crop_scale: 0.2}",
            "x.yaml:1: augmentation.crop_scale: expected a list in brackets, got 0.2",
        ),
        ("augmentation: {crop_scale: [0.2]}", "x.yaml:1: augmentation.crop_scale.1: is missing"),
        (
            "dataset:\n  mean:\n    - 0.5\n    - 2\n    - 0.5",
            "x.yaml:4: dataset.mean.1: must be at most 1, got 2",
        ),
        (
            "compute: {devices: many}",
            (
                "x.yaml:1: compute.devices: expected auto, a number from 1 to 64, or the numbers of "
                "GPUs such as [0, 1], got 'many'"
            ),
        ),
        ("compute: {devices: []}", "or the numbers of GPUs such as [0, 1], got []"),
        ("compute: {devices: [0, 1.5]}", "or the numbers of GPUs such as [0, 1], got [0, 1.5]"),
        (
            "dataset: {mean: [1, 1, 1, 1]}",
            "x.yaml:1: dataset.mean: expected at most 3 entries, got [1, 1, 1, 1]",
        ),
        (
            "schedule: {milestones: [5, 2.5]}",
            "x.yaml:1: schedule.milestones.1: expected a whole number, got 2.5",
        ),
    ],
)
def test_an_invalid_option_is_reported_with_line_expectation_and_value(text: str, message: str) -> None:
    assert message in errors(text)


def test_all_invalid_options_are_reported_at_once() -> None:
    text = "sead: 1\ntitle: 2\nmethod:\n  whitening_size: big\n  iteration: 2\noptimizer:\n  lr: '1e-3'\n"
    assert errors(text).splitlines() == [
        "x.yaml:2: title: expected text, got 2",
        "x.yaml:4: method.whitening_size: expected a whole number, got 'big'",
        "x.yaml:5: method.iteration: unknown key; did you mean method.iterations?",
        "x.yaml:7: optimizer.lr: expected a number, got '1e-3'; write it without quotes",
        "x.yaml:1: sead: unknown key; did you mean seed?",
    ]


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    lines = errors("\n".join(f"k{number}: 1" for number in range(5000))).splitlines()
    assert len(lines) == MOST + 1
    assert lines[-1] == f"and {5000 - MOST} more problems"
