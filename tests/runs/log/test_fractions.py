"""An accuracy is a fraction: a line of the log with another number is no event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
from events import diagnostics, evaluation

from wmse_tui.runs.errors import EventError
from wmse_tui.runs.log.encoding import decode, encode
from wmse_tui.runs.log.events import TYPES, Evaluation, KnnResult, LinearResult, Record

WORDS = ("top1", "top5", "accuracy", "raw_pixels")
"""What the name of a field has that is an accuracy."""
BAD = ("7.3", "-0.01", "1.0000001", "1e308", "1e999", "NaN", "Infinity", '"0.5"', "true", "[0.5]", "10" * 200)


def accuracies(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of the accuracies in an event's fields."""
    for hint_name, hint in get_type_hints(kind).items():
        if hint_name not in {field.name for field in fields(kind)}:
            continue
        inner = [each for each in (hint, *get_args(hint)) if is_dataclass(each)]
        for each in inner:
            yield from accuracies(each, (*path, hint_name))
        if any(word in hint_name for word in WORDS):
            yield *path, hint_name


FOUND = {kind.type: list(accuracies(kind)) for kind in TYPES.values()}


def test_the_accuracies_of_events_are_these() -> None:
    assert {name: paths for name, paths in FOUND.items() if paths} == {
        "evaluation": [("knn", "top1"), ("linear", "top1"), ("linear", "top5"), ("raw_pixels",)],
        "diagnostics": [("contrastive_accuracy",)],
    }


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, paths in FOUND.items() for path in paths], ids=str
)
def test_an_accuracy_outside_of_0_to_1_is_no_event(name: str, path: tuple[str, ...], value: str) -> None:
    event: Any = (
        evaluation(1, 4, 0.5, 0.5, top5=0.5, raw_pixels=0.5)
        if name == "evaluation"
        else diagnostics(4, contrastive_accuracy=0.5)
    )
    line = encode(Record(1, 1, 1.0, 1, event))
    assert decode(line).event == event
    values: Any = json.loads(line)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "@"
    with pytest.raises(EventError):
        decode(json.dumps(values).replace('"@"', value))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_ends_of_the_range_are_accuracies(value: float) -> None:
    event = Evaluation(
        epoch=0, step=0, knn=KnnResult(value, 5, "cosine"), linear=LinearResult(value, value, "adam"),
        raw_pixels=value, train_split="train", test_split="test", seconds=1.0,
    )  # fmt: skip
    assert decode(encode(Record(1, 1, 1.0, 1, event))).event == event
