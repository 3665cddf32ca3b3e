"""What a run costs: from the configuration, from the disk, and from the inspector's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.presence import Presence
from wmse_tui.config.schema import Experiment
from wmse_tui.tui.widgets.configure.cost import NOTHING, Cost, Inspection, same_cost

DESCRIBED: dict[str, Any] = {
    "parameters": {"encoder": 11_168_832, "head": 591_936, "target": 0, "total": 11_760_768},
    "gflop_per_view": 1.1136,
    "memory": {"total": 3_400_000_000, "parts": []},
    "device": {"type": "cuda", "name": "NVIDIA H100", "reason": "", "memory": 80_000_000_000, "free": 1},
    "notices": [],
}
MEASURED: dict[str, Any] = {
    "seconds_per_step": 0.25,
    "at_least": None,
    "images_per_second": 2048.0,
    "waiting": 0.1,
    "peak_memory": 3_600_000_000,
    "source": "cifar10",
    "why": "",
    "training_seconds": 24_250.0,
    "evaluation_seconds": 350.0,
    "run_seconds": 24_600.0,
}


def lines_of(experiment: Experiment | None = None, **known: Any) -> dict[str, str]:
    """The lines by their titles."""
    experiment = experiment or load_experiment(preset="cifar10")
    facts: dict[str, Any] = {
        "name": "",
        "presence": None,
        "free": None,
        "described": NOTHING,
        "measured": NOTHING,
    }
    lines = Cost(experiment=experiment, **{**facts, **known}).lines()
    return {line.head: line.text for line in lines}


def inspection(answer: dict[str, Any], about: Experiment | None = None, **more: str) -> Inspection:
    return Inspection(answer, about or load_experiment(preset="cifar10"), **more)


def test_steps_and_disk_are_shown_at_once() -> None:
    found = lines_of(free=312_000_000_000)
    assert found["Run"] == "named after preset and time"
    assert found["Steps"] == "97,000 (97 x 1,000 epochs)"
    assert found["Disk"] == "4 checkpoints, i computes their size; 312 GB free"
    assert found["Model"] == "i computes parameters, GFLOP, memory"
    assert found["Speed"] == "b measures a few steps on this machine"
    assert lines_of(name="mine")["Run"] == "mine"


def test_own_images_have_no_number_of_steps() -> None:
    experiment = load_experiment(preset="imagenet100", overrides=["dataset.root=/x"])
    assert lines_of(experiment)["Steps"] == "240 epochs; the number of steps depends on your files"


@pytest.mark.parametrize(
    ("presence", "words"),
    [
        (None, "50,000, looking for CIFAR-10"),
        (Presence("drawn"), "50,000, drawn here, no download"),
        (Presence("here", Path("/x")), "50,000, CIFAR-10 is here"),
        (Presence("archive", Path("/x")), "50,000, CIFAR-10 is here and will be unpacked"),
        (Presence("download", download=170_498_071), "50,000, 170 MB to download, as much again unpacked"),
        (Presence("missing", Path("/x"), (Path("/x"),)), "50,000, CIFAR-10 is missing"),
    ],
)
def test_where_the_images_are(presence: Presence | None, words: str) -> None:
    assert lines_of(presence=presence)["Images"] == words


def test_a_description_has_parameters_work_memory_and_checkpoints() -> None:
    found = lines_of(described=inspection(DESCRIBED), free=312_000_000_000)
    assert found["Parameters"] == "11.2 M encoder, 0.592 M head"
    assert found["Compute"] == "1.11 GFLOP a view, forward"
    assert found["Memory"] == "about 3.4 GB of 80.0 GB a step"
    assert found["Device"] == "NVIDIA H100"
    assert found["Disk"] == "4 checkpoints of 141 MB: 565 MB; 312 GB free"
    assert "Model" not in found
    shared = {**DESCRIBED, "memory": {**DESCRIBED["memory"], "ranks": 4}}
    assert lines_of(described=inspection(shared))["Memory"] == "about 3.4 GB of 80.0 GB a step per GPU"


def test_a_target_and_a_missing_device_are_shown() -> None:
    parameters = {"encoder": 74_640, "head": 25_376, "target": 100_016, "total": 200_032}
    device = {"type": None, "name": "", "reason": "no CUDA device 3", "memory": None, "free": None}
    found = lines_of(described=inspection({**DESCRIBED, "parameters": parameters, "device": device}))
    assert found["Parameters"] == "74,640 encoder, 25,376 head, 0.1 M target"
    assert found["Device"] == "no CUDA device 3"
    assert found["Memory"] == "about 3.4 GB a step"


def test_a_measurement_has_step_epoch_and_run() -> None:
    found = lines_of(measured=inspection(MEASURED))
    assert found["Step"] == "250 ms a step, 2048 images/s, 10.00 % of it waiting for views"
    assert found["Epoch"] == "24 s"
    assert found["Whole run"] == "6 h 50 min, 5 min 50 s of it evaluations"
    assert found["Peak memory"] == "3.6 GB measured"
    assert "Speed" not in found


def test_a_measurement_without_a_step_has_a_lower_bound() -> None:
    nothing = dict.fromkeys(MEASURED)
    answer = {**nothing, "at_least": 20.0, "source": "patterns", "why": "STL-10 is not here"}
    found = lines_of(measured=inspection(answer))
    assert found["Step"] == "not one step ended in time: over 20 s each"
    assert found[""] == "with patterns: STL-10 is not here"
    assert "Epoch" not in found
    assert "Whole run" not in found
    assert lines_of(measured=inspection({**nothing, "seconds_per_step": 1.5}))["Step"] == "1.5 s a step, -"
    unknown = {**MEASURED, "run_seconds": None}
    assert lines_of(measured=inspection(unknown))["Training"] == "6 h 44 min without evaluations"


def test_an_answer_about_another_configuration_is_marked_as_such() -> None:
    other = load_experiment(preset="cifar10", overrides=["projector.dim=32"])
    cost = Cost(
        experiment=other,
        name="",
        presence=None,
        free=None,
        described=inspection(DESCRIBED),
        measured=inspection(MEASURED),
    )
    lines = {line.head: line for line in cost.lines()}
    assert lines["Model"].text == "as before the changes; i computes parameters, GFLOP, memory"
    assert lines["Speed"].text == "as before the changes; b measures a few steps on this machine"
    assert {lines[head].style for head in ("Parameters", "Step", "Disk")} == {"$text-disabled"}


def test_names_and_seeds_cost_nothing() -> None:
    one = load_experiment(preset="cifar10")
    other = load_experiment(preset="cifar10", overrides=["title=x", "seed=4", "paper=null"])
    assert same_cost(one, other)
    assert not same_cost(one, load_experiment(preset="stl10"))
    assert not same_cost(None, one)


def test_waiting_and_failures_are_shown() -> None:
    assert lines_of(described=inspection({}, waiting="loading torch"))["Model"] == "loading torch …"
    assert lines_of(measured=inspection({}, failure="no torch here"))["Speed"] == "no torch here"
