"""The texts on presets, options, problems and advice."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import groups
from wmse_tui.config.loading import find_preset
from wmse_tui.tui.widgets.configure.preset_library import copy_entry, file_entry, read_entry
from wmse_tui.tui.widgets.configure.wording import (
    Outlook,
    about_entry,
    about_group,
    about_option,
    findings,
    first_elsewhere,
    state_of,
)

READY = Outlook(checked=True)


def test_a_preset_names_what_it_reproduces_and_the_source() -> None:
    assert about_entry(read_entry("stl10")).plain == (
        "W-MSE 2 on STL-10, ResNet-18\n"
        "Published: linear 90.36 %, 5-NN 87.10 % (Ermolov et al. 2021, Table 1, as reprinted "
        "in the FBDM paper, Table 1 (after Weng et al. 2022))."
    )
    assert "Note: the authors' own run of the baseline." in about_entry(read_entry("cifar10-byol")).plain


def test_an_unverified_number_is_marked() -> None:
    assert about_entry(read_entry("imagenet100")).plain == (
        "W-MSE 2 on ImageNet-100, ResNet-18\nPublished number unverified: the number was not found in any "
        "text that could be read. Ermolov et al. 2021, Table 2."
    )


def test_a_preset_without_a_number_is_marked() -> None:
    assert "It reproduces no published number." in about_entry(read_entry("quickstart")).plain


def test_a_users_preset_a_file_and_a_copy_are_marked(tmp_path: Path) -> None:
    own = tmp_path / "presets"
    own.mkdir()
    (own / "mine.yaml").write_text("extends: stl10\ntitle: '[b]x[/b]\\x1b[2J'\n")
    assert about_entry(read_entry("mine")).plain.endswith("Your own preset. It extends stl10.")
    (own / "cifar10.yaml").write_text("extends: cifar10\n")
    assert "It hides the preset of that name" in about_entry(read_entry("cifar10")).plain
    assert str(own / "mine.yaml") in about_entry(file_entry(own / "mine.yaml")).plain
    experiment = Draft(find_preset("stl10")).experiment
    assert experiment is not None
    assert "The configuration of a run." in about_entry(copy_entry(experiment, "stl10")).plain
    (own / "bad.yaml").write_text("seed: [\n")
    assert about_entry(read_entry("bad")).plain.startswith("This preset cannot be used: ")


def test_the_help_of_an_option_has_bounds_unit_and_the_old_value() -> None:
    draft = Draft(find_preset("stl10"))
    assert about_option(draft, "method.whitening_size").plain == (
        "Images whose embeddings are whitened together; in the paper twice the embedding size.\n"
        "above 1, at most 65,536 · images\nmethod.whitening_size"
    )
    changed = draft.with_value("dataset.eval_resize", None)
    assert "it was 70, = resets it · 8 to 2,048 · px" in about_option(changed, "dataset.eval_resize").plain
    given = draft.with_value("dataset.train_images", 500)
    assert "it was (all), = resets it" in about_option(given, "dataset.train_images").plain
    assert "euclidean, cosine, off" in about_option(draft, "evaluation.knn").plain
    assert about_option(draft, "title").plain.startswith("W-MSE 2 on STL-10, ResNet-18\n"), (
        "too long for its row"
    )


def test_a_section_is_described_by_the_schema() -> None:
    group = next(group for group in groups() if group.name == "optimizer")
    assert about_group(group).plain.splitlines() == [
        "Optimizer: How a gradient becomes a step.",
        "Schedule: How long, in which batches, and the course of the learning rate.",
    ]


def test_problems_come_before_advice() -> None:
    draft = Draft(find_preset("stl10")).with_value("seed", "x").with_value("optimizer.lr", -1)
    advice = (Advice("method.eps", "warning", "careful"), Advice("schedule.epochs", "info", "by the way"))
    found = findings(draft, advice, READY)
    assert [(one.head, one.text) for one in found] == [
        ("!", "seed: expected a whole number, got 'x'"),
        ("!", "optimizer.lr: must be above 0, got -1"),
        ("!", "method.eps: careful"),
        ("·", "schedule.epochs: by the way"),
    ]
    assert first_elsewhere(found, "seed") == found[1]
    assert first_elsewhere(found[3:], "seed") is None, "what is no warning waits in its panel"
    assert state_of(draft, advice) == "2 changed · 2 problems · 1 warning"


def test_without_findings_the_experiment_is_ready() -> None:
    draft = Draft(find_preset("stl10-byol"))
    assert [one.text for one in findings(draft, (), READY)] == ["Ready to launch."]
    timed = findings(draft, (), Outlook(checked=True, seconds=125))
    assert [one.text for one in timed] == ["Ready to launch. About 2 min 05 s."]
    assert [one.text for one in findings(None, (), READY)] == ["Nothing to check."]
    assert state_of(draft, ()) == state_of(None, ()) == ""
    assert state_of(draft, (), "mine") == "run mine"


def test_the_whitening_is_described_unless_advice_does_it() -> None:
    draft = Draft(find_preset("stl10"))
    found = findings(draft, (), READY)
    assert [one.head for one in found] == ["✓", "·"]
    assert found[1].text.startswith("256 images whiten 128 dimensions, in 2 slices")
    warned = findings(draft, (Advice("method.whitening_size", "warning", "too few"),), READY)
    assert [one.text for one in warned] == ["method.whitening_size: too few"]


def test_a_run_that_cannot_start_or_was_not_checked_is_not_called_ready() -> None:
    draft = Draft(find_preset("stl10-byol"))
    blocked = findings(draft, (), Outlook(checked=True, obstacle="the disk is full"))
    assert [(one.head, one.text) for one in blocked] == [("!", "the disk is full")]
    unchecked = findings(draft, (), Outlook(checked=False))
    assert [one.text for one in unchecked] == ["Checking the images and the device."]


def test_the_first_finding_is_beside_the_preset_where_it_is_shown_nowhere_else() -> None:
    start = Outlook(checked=True, seconds=125).ready()
    assert about_entry(read_entry("quickstart"), start).plain.splitlines()[2:] == [
        "✓ Ready to launch. About 2 min 05 s."
    ]
