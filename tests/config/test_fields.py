"""Options as fields of a form, and values as text and back."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field as Option

from wmse_tui.config.draft import Draft, plain_values
from wmse_tui.config.fields import chosen_options, form_field, group_of, groups
from wmse_tui.config.loading import find_preset, load_experiment, preset_names
from wmse_tui.config.names import dotted_names, field_of, option_names, sections, unions
from wmse_tui.config.schema import Experiment
from wmse_tui.config.titles import choices

VARIANTS: list[dict[str, Any]] = [
    {},
    *({name: {u.tag: v}} for name, u in unions().items() for v in u.classes),
]


def test_every_option_is_in_exactly_one_group() -> None:
    for values in VARIANTS:
        placed = [path for group in groups() for path in chosen_options(values, group.members)]
        assert sorted(placed) == sorted(set(dotted_names(values)) - set(sections()))
        assert all(group_of(path).name for path in placed)


def test_a_section_that_no_group_names_gets_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {**Experiment.model_fields, "logging": Option("", title="Logging", description="What for.")}
    monkeypatch.setattr("wmse_tui.config.fields.Experiment.model_fields", fields, raising=False)
    groups.cache_clear()
    try:
        assert groups()[-1].title == "Logging"
        assert groups()[-1].members == ("logging",)
    finally:
        groups.cache_clear()


def test_options_are_in_the_order_of_their_sections() -> None:
    members = ("optimizer", "schedule")
    paths = chosen_options({"optimizer": {"name": "sgd"}, "schedule": {"kind": "cosine"}}, members)
    assert paths[0] == "optimizer.name"
    assert paths[paths.index("schedule.kind") - 1] == "optimizer.nesterov"
    assert paths[-1] == "schedule.final_factor"


def test_title_and_description_are_those_of_the_schema() -> None:
    missing = [
        f"{path} of {values}"
        for values in VARIANTS
        for path in option_names(values)
        if (info := field_of(path, values)) is None
        or (form_field(path, values).title, form_field(path, values).description)
        != (info.title, info.description)
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize(
    ("path", "kind", "bounds", "unit"),
    [
        ("augmentation.views", "whole", "2 to 16", "views"),
        ("augmentation.crop_scale", "list", "2 numbers, each above 0", ""),
        ("dataset.mean", "list", "3 numbers, each 0 to 1", ""),
        ("dataset.root", "folder", "", ""),
        ("dataset.download", "flag", "", ""),
        ("dataset.eval_resize", "whole", "8 to 2,048", "px"),
        ("backbone.arch", "choice", "", ""),
        ("compute.device", "text", "such as auto, cpu, cuda, cuda:1", ""),
        ("compute.devices", "mixed", "such as auto, 2, [0, 1]", ""),
        ("method.name", "choice", "", ""),
        ("method.eps", "number", "at least 0, below 1", ""),
        ("schedule.milestones", "list", "at most 100 numbers, each at least 1", "epochs"),
        ("seed", "whole", "at least 0, below 4,294,967,296", ""),
        ("paper.knn", "number", "0 to 100", "%"),
    ],
)
def test_kind_bounds_and_unit_come_from_the_schema(path: str, kind: str, bounds: str, unit: str) -> None:
    option = form_field(path, {})
    assert (option.kind, option.bounds, option.unit) == (kind, bounds, unit)


def test_a_choice_has_its_values() -> None:
    assert form_field("method.name", {}).choices == tuple(unions()["method"].classes)
    assert form_field("evaluation.knn", {}).choices == ("euclidean", "cosine", "off")


def test_an_option_that_may_be_empty_is_optional() -> None:
    assert form_field("dataset.train_images", {}).optional
    assert not form_field("dataset.crop", {}).optional


def test_an_option_of_another_variant_has_no_field() -> None:
    with pytest.raises(KeyError):
        form_field("method.whitening_size", {"method": {"name": "byol"}})


def test_every_value_of_every_preset_survives_as_text() -> None:
    lost = []
    for name in preset_names():
        draft = Draft(find_preset(name))
        for path, option in draft.fields.items():
            value = draft.values[path]
            if option.value(option.text(value)) != value:
                lost.append(f"{name}: {path}: {value!r}")
    assert not lost, "\n".join(lost)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("optimizer.lr", "1e-3", 0.001),
        ("optimizer.lr", " .5 ", 0.5),
        ("seed", "7", 7),
        ("seed", "seven", "seven"),
        ("seed", "", ""),
        ("seed", "null", "null"),
        ("seed", "{", "{"),
        ("seed", "1e999", "1e999"),
        ("title", " a: b # c ", " a: b # c "),
        ("title", "", ""),
        ("dataset.root", "", None),
        ("dataset.root", " ~/x ", "~/x"),
        ("dataset.root", "17", "17"),
        ("dataset.train_images", "", None),
        ("dataset.train_images", "5,000", "5,000"),
        ("schedule.milestones", "50, 25", [50, 25]),
        ("schedule.milestones", "[50, 25]", [50, 25]),
        ("schedule.milestones", "", []),
        ("schedule.milestones", "[50", "[50"),
        ("dataset.mean", "", None),
        ("augmentation.crop_scale", "0.2 1", ["0.2 1"]),
        ("dataset.download", "false", False),
        ("evaluation.knn", "off", "off"),
        ("compute.devices", "auto", "auto"),
        ("compute.devices", "2", 2),
        ("compute.devices", "0, 2", [0, 2]),
        ("compute.devices", "[3]", [3]),
        ("compute.devices", "two", "two"),
    ],
)
def test_text_becomes_a_value_or_stays_text(path: str, text: str, value: object) -> None:
    found = form_field(path, {}).value(text)
    assert found == value
    assert type(found) is type(value)


def test_numbers_are_written_as_people_write_them() -> None:
    option = form_field("checkpoint.every_minutes", {})
    assert [option.text(value) for value in (5.0, 0.2, 1e-6, 3, None, "x")] == [
        "5",
        "0.2",
        "1e-06",
        "3",
        "",
        "x",
    ]


def test_plain_values_name_every_option_of_an_experiment() -> None:
    experiment = Draft(find_preset("stl10")).experiment
    assert experiment is not None
    values = plain_values(experiment)
    assert values["method.whitening_size"] == 256
    assert values["schedule.milestones"] == [50, 25]
    assert "method.temperature" not in values


def test_what_an_empty_value_means_is_in_the_description() -> None:
    values = load_experiment(preset="cifar10").model_dump(mode="json")
    meanings = {path: form_field(path, values).unset for path in option_names(values)}
    assert meanings["dataset.train_images"] == "(all)"
    assert meanings["dataset.eval_crop"] == "(the training size)"
    assert meanings["dataset.root"] == "(the data folder of this machine)"
    assert meanings["compute.workers"] == "(from the cores, at most 8)"
    assert meanings["dataset.probe_train"] == "(none)"


def test_a_list_of_one_is_no_number() -> None:
    option = form_field("compute.devices", {})
    assert [option.value(option.text(value)) for value in ((3,), (0, 2), 2, "auto")] == [
        [3],
        [0, 2],
        2,
        "auto",
    ]


def test_values_are_completed_for_every_option_that_has_some_to_propose() -> None:
    assert choices("compute.devices") == ("auto", "2", "[0,1]")
    assert choices("compute.device") == ("auto", "cpu", "cuda", "cuda:1")
    assert choices("compute.deterministic") == ("true", "false")
    assert choices("method.axis") == ("channel", "batch")
    assert choices("seed") == ("0",)  # the default
    assert choices("dataset.root") == ()
