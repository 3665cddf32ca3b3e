"""Layers: presets, a file and `--set` override each other, and the origin of each value is recorded.

The upper layer wins. Three rules go beyond that:

- `null` clears: the values of lower layers are dropped, and the default applies again.
- A layer that changes a tag (`method.name`, `optimizer.name`, `schedule.kind`) drops those options of the
  lower layers that the new variant does not have.
- A layer that changes what a published number is about (`RECIPE`) drops the title and the number of the lower
  layers, which would be false.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wmse_tui.config.locations import expanded
from wmse_tui.config.names import field_of, sections, unions
from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.config.schema import Experiment
from wmse_tui.config.validation import validation_problems

RECIPE = (
    "dataset.name",
    "augmentation.views",
    "backbone.arch",
    "backbone.norm",
    "backbone.norm_images",
    "backbone.whitening",
    "method.name",
)
PUBLISHED = ("title", "paper")
FOLDERS = ("dataset.root", "dataset.probe_train", "dataset.probe_test")


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one source.

    Args:
        values: plain nested data, never changed here.
        source: the file as the user named it, or the flag (`--set optimizer.lr`).
        lines: line of each dotted path; empty for a flag.
    """

    values: Mapping[str, Any]
    source: str
    lines: Mapping[str, int]


def build(layers: Iterable[Layer]) -> Experiment:
    """The experiment that the layers, lowest first, describe together.

    Raises:
        ConfigError: all wrong options at once, each with its file and line or its flag; when every option is
            right by itself, all combinations that cannot work.
    """
    stack = _stacked(layers)
    try:
        return Experiment.model_validate(stack.values)
    except ValidationError as error:
        problems = validation_problems(error, stack.values)
    except ConfigError as error:
        problems = error.problems
    raise ConfigError(stack.located(problem) for problem in problems)


def merge(layers: Iterable[Layer]) -> dict[str, Any]:
    """The values of the layers, lowest first, merged by section; unchecked and without defaults."""
    return _stacked(layers).values


def with_absolute_folders(values: Mapping[str, Any], base: Path | None = None) -> dict[str, Any]:
    """The same values with the folders of the dataset section absolute.

    Relative ones start at `base`, or at the working directory, which is asked for only then.
    """
    dataset = values.get("dataset")
    if not isinstance(dataset, Mapping):
        return dict(values)
    absolute = {
        key: str(expanded(Path(value), base))
        if f"dataset.{key}" in FOLDERS and isinstance(value, str)
        else value
        for key, value in dataset.items()
    }
    return {**values, "dataset": absolute}


def _stacked(layers: Iterable[Layer]) -> _Stack:
    stack = _Stack()
    for layer in layers:
        stack.push(layer)
    return stack


class _Stack:
    """The layers pushed so far: their merged values, and the layer that set each."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {name: {union.tag: union.default} for name, union in unions().items()}
        self.origins: dict[str, Layer] = {}

    def push(self, layer: Layer) -> None:
        before = self._recipe()
        for key in layer.values:
            self._set_key(layer, key)
        if self._recipe() != before:
            for key in PUBLISHED:
                self._forget(key)
                self.values.pop(key, None)
                if key in layer.values:
                    self._set_key(layer, key)

    def located(self, problem: Problem) -> Problem:
        """The problem with source and line of its option, or of the section around it that was written."""
        layer = next((self.origins[path] for path in _ancestors(problem.path) if path in self.origins), None)
        if layer is None:
            return problem
        line = next((layer.lines[path] for path in _ancestors(problem.path) if path in layer.lines), None)
        return replace(problem, source=layer.source, line=line)

    def _set_key(self, layer: Layer, key: str) -> None:
        value = layer.values[key]
        if key in sections() and isinstance(value, Mapping):
            self._set_section(layer, key, value)
            return
        self._forget(key)
        if value is not None or field_of(key) is None:
            self.values[key] = value
            self.origins[key] = layer
        elif key in unions():
            self.values[key] = {unions()[key].tag: unions()[key].default}
        else:
            self.values.pop(key, None)

    def _set_section(self, layer: Layer, section: str, entries: Mapping[str, Any]) -> None:
        lower = self.values.get(section)
        merged = dict(lower) if isinstance(lower, Mapping) else {}
        union = unions().get(section)
        if union is not None and union.tag in entries:
            tag_value = union.default if entries[union.tag] is None else entries[union.tag]
            if merged.get(union.tag) != tag_value:
                cls = union.classes.get(tag_value) if isinstance(tag_value, str) else None
                merged = {key: value for key, value in merged.items() if cls and key in cls.model_fields}
        self.origins[section] = layer
        for key, value in entries.items():
            path = f"{section}.{key}"
            if value is not None or field_of(path) is None:
                merged[key] = value
                self.origins[path] = layer
            else:
                merged.pop(key, None)
                self.origins.pop(path, None)
        if union is not None:
            merged.setdefault(union.tag, union.default)
        self.values[section] = merged

    def _recipe(self) -> tuple[object, ...]:
        return tuple(self._at(path) for path in RECIPE)

    def _at(self, path: str) -> object:
        section, _, leaf = path.partition(".")
        entries = self.values.get(section)
        field = field_of(path)
        default = None if field is None else field.default
        return entries.get(leaf, default) if isinstance(entries, Mapping) else default

    def _forget(self, key: str) -> None:
        self.origins.pop(key, None)
        if key in sections():
            for path in [path for path in self.origins if path.startswith(f"{key}.")]:
                del self.origins[path]


def _ancestors(path: str) -> Iterator[str]:
    """A dotted path, then the paths around it: `schedule.milestones.0`, `schedule.milestones`, `schedule`."""
    while path:
        yield path
        path = path.rpartition(".")[0]
