"""Experiments option by option: their values by dotted name, and the options in which they differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from wmse_tui.config.names import option_names
from wmse_tui.config.schema import Experiment

Value: TypeAlias = str | int | float | bool | tuple["Value", ...] | None
"""The value of one option; hashable."""


def flatten(experiment: Experiment) -> dict[str, Value]:
    """Every option of `experiment` by its dotted name, in the order of the schema.

    Options of a section that is None, and of variants that are not chosen, are left out.
    """
    values = experiment.model_dump(mode="json")
    found: dict[str, Value] = {}
    for name in option_names():
        section, _, leaf = name.partition(".")
        if not leaf:
            found[name] = _frozen(values[name])
        elif isinstance(values[section], dict) and leaf in values[section]:
            found[name] = _frozen(values[section][leaf])
    return found


def differing(*flat: Mapping[str, Value]) -> tuple[str, ...]:
    """The options that are not the same in all of these, in the order of the schema.

    An option that only some of them have differs.
    """
    return tuple(
        name for name in option_names() if len({(name in values, values.get(name)) for values in flat}) > 1
    )


def value_text(value: Value) -> str:
    """A value on one line, as in YAML but for texts, which are not quoted."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return str(value)


def _frozen(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    assert value is None or isinstance(value, (str, int, float)), "an option is plain data"
    return value
