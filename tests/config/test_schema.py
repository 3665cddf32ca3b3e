"""What the models provide to forms, help and JSON Schema: titles, units, bounds, the paper's defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pydantic
import pytest
from pydantic.fields import FieldInfo

from wmse_tui.config.loading import dump_experiment, load_experiment, parse_experiment
from wmse_tui.config.names import dotted_names, field_of, options_of, sections, unions
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment


def every_field() -> Iterator[tuple[str, FieldInfo]]:
    yield from Experiment.model_fields.items()
    for section in sections():
        for name, field in options_of(section).items():
            yield f"{section}.{name}", field


FIELDS = dict(every_field())


def test_every_option_has_a_title_and_a_sentence() -> None:
    missing = []
    for path, field in FIELDS.items():
        if not field.title:
            missing.append(f"{path} has no title")
        if not re.fullmatch(r"([A-Z]|[a-z]+(:| \()|LiDAR).*\.", field.description or "", flags=re.DOTALL):
            missing.append(f"{path} has no sentence as its description: {field.description!r}")
    assert not missing, "\n".join(missing)


def test_what_no_gpu_has_run_says_so() -> None:
    """An option leaves the set, and its sentence the line, when a GPU has run what it does there."""
    words = ("GPU", "CUDA", "cuda", "decoded by the device", "torch.compile")
    about = {
        path for path, field in FIELDS.items() if any(word in (field.description or "") for word in words)
    }
    unrun = {path for path, field in FIELDS.items() if "not yet run on a GPU" in (field.description or "")}
    assert unrun == {
        "compute.device",
        "compute.devices",
        "compute.precision",
        "compute.compile",
        "compute.loader",
        "compute.deterministic",
    }
    assert about == unrun


def test_options_have_their_units() -> None:
    units = {}
    for path, field in FIELDS.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "unit" in extra:
            units[path] = extra["unit"]
    assert units == {
        "dataset.crop": "px",
        "dataset.eval_resize": "px",
        "dataset.eval_crop": "px",
        "dataset.train_images": "images",
        "dataset.test_images": "images",
        "augmentation.views": "views",
        "augmentation.hue": "turns",
        "augmentation.blur_sigma": "px",
        "backbone.norm_width": "channels",
        "backbone.norm_steps": "steps",
        "backbone.norm_images": "images",
        "backbone.whitening_groups": "groups",
        "backbone.whitening_steps": "steps",
        "projector.hidden": "channels",
        "projector.dim": "dimensions",
        "method.whitening_size": "images",
        "method.steps": "steps",
        "method.groups": "groups",
        "method.predictor_hidden": "channels",
        "method.bins": "bins",
        "schedule.epochs": "epochs",
        "schedule.batch_size": "images",
        "schedule.warmup_steps": "steps",
        "schedule.milestones": "epochs",
        "evaluation.every": "epochs",
        "evaluation.every_after_drop": "epochs",
        "evaluation.batch_size": "images",
        "evaluation.neighbours": "images",
        "evaluation.linear_epochs": "epochs",
        "evaluation.lidar_images": "images",
        "evaluation.lidar_views": "views",
        "compute.workers": "processes",
        "checkpoint.every_minutes": "minutes",
        "checkpoint.keep": "checkpoints",
        "paper.linear": "%",
        "paper.knn": "%",
    }


def test_every_number_has_a_lower_bound() -> None:
    missing = [
        path
        for path, field in FIELDS.items()
        if field.annotation in (int, float, int | None, float | None)
        and not any(hasattr(rule, bound) for rule in field.metadata for bound in ("gt", "ge"))
    ]
    assert not missing, "\n".join(missing)


def test_the_option_that_chooses_a_variant_comes_first() -> None:
    missing = [
        f"{section}.{union.tag} of {cls.__name__}"
        for section, union in unions().items()
        for cls in union.classes.values()
        if next(iter(cls.model_fields)) != union.tag
    ]
    assert not missing, "\n".join(missing)


def test_without_any_setting_it_is_the_paper_on_cifar10() -> None:
    preset = load_experiment(preset="cifar10")
    assert Experiment() == preset.model_copy(update={"title": "", "paper": None})


def test_an_experiment_is_frozen_all_the_way_down() -> None:
    experiment = Experiment()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        experiment.seed = 1  # type: ignore[misc]
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        experiment.method.name = "byol"  # type: ignore[misc]
    assert hash(experiment) == hash(parse_experiment(dump_experiment(experiment), "x"))


def test_an_impossible_experiment_cannot_be_constructed_in_python_either() -> None:
    with pytest.raises(ConfigError, match=r"method\.whitening_size: 128 images cannot whiten 128 dimensions"):
        Experiment.model_validate({"projector": {"dim": 128}})


def test_the_tags_choose_the_classes_of_the_unions() -> None:
    assert {
        name: (union.tag, union.default, tuple(union.classes)[:3]) for name, union in unions().items()
    } == {
        "method": ("name", "w_mse", ("w_mse", "simclr", "byol")),
        "optimizer": ("name", "adam", ("adam", "adamw", "sgd")),
        "schedule": ("kind", "step", ("step", "cosine", "constant")),
    }


def test_the_tag_is_written_first() -> None:
    text = dump_experiment(load_experiment(overrides=["optimizer.name=sgd", "schedule.kind=cosine"]))
    assert "optimizer:\n  name: sgd\n" in text
    assert "schedule:\n  kind: cosine\n" in text


def test_dotted_names_are_those_of_the_chosen_variants() -> None:
    assert "method.temperature" in dotted_names()
    assert "method.temperature" not in dotted_names({"method": {"name": "w_mse"}})
    assert "method.temperature" in dotted_names({"method": {"name": "simclr"}})
    assert "paper.linear" in dotted_names()
    assert field_of("seed.x") is None
    assert field_of("nothing") is None
