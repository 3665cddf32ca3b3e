"""Choices in a form and the same choices by `--set` give the same experiment.

Every method, operator, layer, norm, optimizer and schedule, and every other choice or flag of the schema.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import chosen_options
from wmse_tui.config.loading import dump_experiment, find_preset, load_experiment
from wmse_tui.config.names import choices_of, unions
from wmse_tui.config.problems import ConfigError

PRESET = "quickstart"
RESNET = (("backbone.arch", "resnet18"), ("backbone.stem", "small"), ("dataset.crop", "32"))
NEEDS = {  # what else must be set, by what is chosen
    "method.name=cw_rgp": (("projector.dim", "512"),),
    "method.axis=batch": (("projector.dim", "64"),),
    "method.relative_eps=true": (("method.eps", "0.1"),),
    "backbone.norm": RESNET,
    "backbone.norm_tied": (*RESNET, ("backbone.norm", "sw3")),
    "backbone.stem": RESNET[:1],
    "dataset.name=folder": (("dataset.root", "/images"),),
    "compute.loader=jpeg": (("dataset.name", "folder"), ("dataset.root", "/images")),
}
AFTER = {"schedule.kind=step": (("schedule.milestones", "[1]"),)}
EMPTY = Draft(find_preset(PRESET))


def choices() -> Iterator[tuple[tuple[str, str], ...]]:
    """The (path, text) pairs that are entered one after the other, the last of which is the choice."""
    for section, union in unions().items():
        for variant in union.classes:
            yield ((f"{section}.{union.tag}", variant),)
            chosen = EMPTY.with_value(f"{section}.{union.tag}", variant)
            for path in chosen_options(chosen.merged, (section,)):
                if path != f"{section}.{union.tag}":
                    yield from (
                        ((f"{section}.{union.tag}", variant), last) for last in fixed_values(chosen, path)
                    )
    for path in EMPTY.names:
        if path.partition(".")[0] not in unions():
            yield from ((last,) for last in fixed_values(EMPTY, path))


def fixed_values(draft: Draft, path: str) -> Iterator[tuple[str, str]]:
    option = draft.fields[path]
    if option.fixed:
        yield from ((path, value) for value in option.choices or ("true", "false"))


def needs(texts: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    found = (NEEDS.get(key, ()) for path, text in texts for key in (path, f"{path}={text}"))
    return tuple(dict.fromkeys(need for each in found for need in each))


def command_of(texts: tuple[tuple[str, str], ...]) -> str:
    return " ".join(f"{path}={text}" for path, text in texts)


CHOICES = list(dict.fromkeys(choices()))


def test_a_form_and_the_command_line_give_the_same_experiment() -> None:
    different = []
    for texts in CHOICES:
        both = (*texts[:-1], *needs(texts), texts[-1], *AFTER.get(command_of(texts), ()))
        draft = EMPTY
        for path, text in both:
            option = draft.fields[path]
            if option.choices and text not in option.choices:
                different.append(f"the form does not offer {path}={text}")
            draft = draft.with_value(path, option.value(text))
        different += [f"{command_of(texts)}: {problem.text()}" for problem in draft.problems]
        overrides = [f"{path}={text}" for path, text in both]
        wanted = dump_experiment(load_experiment(preset=PRESET, overrides=overrides))
        if draft.experiment is None or dump_experiment(draft.experiment) != wanted:
            different.append(command_of(texts))
    assert not different, "\n".join(different)


def test_the_choices_include_every_method_operator_norm_and_optimizer() -> None:
    chosen = {last for *_, last in CHOICES}
    family = ("method.name", "method.operator", "backbone.whitening", "backbone.norm", "optimizer.name")
    assert {(path, value) for path in family for value in choices_of(path)} <= chosen
    assert len(choices_of("method.name")) >= 12
    assert len(choices_of("method.operator")) == 6


@pytest.mark.parametrize(
    "texts",
    [
        (("method.name", "cw_rgp"),),
        (("method.name", "shuffled_dbn"), ("method.groups", "5")),
        (("backbone.norm", "sw2"),),
        (("backbone.whitening", "zca"), ("backbone.whitening_groups", "3")),
        (("method.operator", "none"), ("method.eps", "0.1")),
        (("optimizer.name", "sgd"), ("optimizer.momentum", "0"), ("optimizer.nesterov", "true")),
    ],
    ids=command_of,
)
def test_form_and_command_line_refuse_an_impossible_choice_for_the_same_reason(
    texts: tuple[tuple[str, str], ...],
) -> None:
    draft = EMPTY
    for path, text in texts:
        draft = draft.with_value(path, draft.fields[path].value(text))
    with pytest.raises(ConfigError) as caught:
        load_experiment(preset=PRESET, overrides=[f"{path}={text}" for path, text in texts])
    expected = [(problem.path, problem.message, problem.fix) for problem in caught.value.problems]
    assert [(problem.path, problem.message, problem.fix) for problem in draft.problems] == expected
