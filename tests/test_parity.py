"""A method has one name everywhere: options, loss, method, tests, preset. What is missing is named."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from wmse_tui.config import methods as options
from wmse_tui.config.loading import find_preset, preset_names
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.backbone import Backbone
from wmse_tui.config.sections.projector import Projector
from wmse_tui.engine import losses, methods

TESTS = Path(__file__).parent


def union() -> dict[str, type[Any]]:
    """The members of the method union by their `name`."""
    members = get_args(get_args(options.Method)[0])
    return {member.model_fields["name"].default: member for member in members}


def missing(name: str, options_class: str, preset_methods: set[str]) -> Iterator[str]:
    """What a member of the union lacks, each with the line to add."""
    config = f"wmse_tui.config.methods.{name}"
    if importlib.util.find_spec(config) is None:
        yield f"no {path(config)}; put `class {options_class}(Options)` there"
    elif "title" not in union()[name].model_config:
        yield f'{path(config)}: add `model_config = ConfigDict(title="...")`, how tables call it'

    loss = f"wmse_tui.engine.losses.{name}"
    if importlib.util.find_spec(loss) is None:
        yield f"no {path(loss)}; define the pure function `..._loss(embeddings, ...)` there"
    elif not any(getattr(losses, exported).__module__ == loss for exported in losses.__all__):
        yield f"{path('wmse_tui.engine.losses.__init__')}: add `from {loss} import ..._loss`, and to __all__"

    method = f"wmse_tui.engine.methods.{name}"
    if importlib.util.find_spec(method) is None:
        yield f"no {path(method)}; put `class {options_class}(Method[config.{options_class}])` there"
    elif not hasattr(importlib.import_module(method), options_class):
        yield f"{path(method)}: the class must be called {options_class}, as that of its options"

    for package in ("losses", "methods"):
        test = TESTS / "engine" / package / f"test_{name}.py"
        if not test.is_file():
            yield f"no {test.relative_to(TESTS.parent)}; a golden value, a reference, a property, a gradient"

    if name not in preset_methods:
        yield f"no preset trains it; add presets/cifar10-{name}.yaml with `method: {{name: {name}}}`"


def path(module: str) -> str:
    return module.replace(".", "/") + ".py"


@pytest.fixture
def preset_methods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> set[str]:
    """The methods that the shipped presets train."""
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(tmp_path))
    return {find_preset(name).experiment.method.name for name in preset_names()}


def test_the_union_holds_the_papers_method_and_its_baselines() -> None:
    assert set(union()) >= {"w_mse", "simclr", "byol"}


def test_no_method_lacks_a_part(preset_methods: set[str]) -> None:
    lacking = [
        f"{name}: {line}"
        for name, member in union().items()
        for line in missing(name, member.__name__, preset_methods)
    ]
    assert not lacking, "\n" + "\n".join(lacking)


@pytest.mark.parametrize("name", sorted(union()))
def test_every_member_is_built_with_its_defaults(name: str) -> None:
    dim = {"cw_rgp": 512}.get(name, 8)  # whitening over channels needs more of them than images
    experiment = Experiment(
        backbone=Backbone(arch="cifar_resnet8"), projector=Projector(dim=dim), method=union()[name]()
    )
    method = methods.build_method(experiment)
    assert type(method).__module__ == f"wmse_tui.engine.methods.{name}"
    assert method.options is experiment.method


@pytest.mark.parametrize("loss", losses.__all__)
def test_a_default_of_a_loss_is_that_of_the_option_of_its_name(loss: str) -> None:
    function = getattr(losses, loss)
    options = union()[function.__module__.rpartition(".")[2]].model_fields
    for name, argument in inspect.signature(function).parameters.items():
        if name in options and argument.default is not inspect.Parameter.empty:
            assert argument.default == options[name].default, name


def test_every_part_that_a_method_in_the_union_lacks_is_named(preset_methods: set[str]) -> None:
    lines = list(missing("vicreg_like", "VicregLike", preset_methods))
    assert [line.split(";")[0] for line in lines] == [
        "no wmse_tui/config/methods/vicreg_like.py",
        "no wmse_tui/engine/losses/vicreg_like.py",
        "no wmse_tui/engine/methods/vicreg_like.py",
        "no tests/engine/losses/test_vicreg_like.py",
        "no tests/engine/methods/test_vicreg_like.py",
        "no preset trains it",
    ]


def test_nothing_is_left_behind_by_a_method_that_went() -> None:
    """Files of losses, methods and their tests belong to a member of the union, or to none in particular."""
    shared = {"__init__", "base", "shapes", "distance"}
    for package in ("losses", "methods"):
        found = {file.stem for file in Path(str(losses.__path__[0])).parent.joinpath(package).glob("*.py")}
        assert found - shared == set(union()), package
