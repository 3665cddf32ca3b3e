"""The dotted names of the options, derived from the models: for overrides and for suggestions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from wmse_tui.config.options import Options
from wmse_tui.config.problems import nearest
from wmse_tui.config.schema import Experiment


@dataclass(frozen=True, slots=True)
class Variants:
    """A section that is one of several classes.

    Args:
        tag: the option that chooses the class (`name`, `kind`).
        default: its default value.
        classes: the classes by the value of the tag.
    """

    tag: str
    default: str
    classes: Mapping[str, type[Options]]


@cache
def sections() -> tuple[str, ...]:
    """The options of an experiment that are groups of options, in the order of the schema."""
    return tuple(name for name, field in Experiment.model_fields.items() if _classes(field))


@cache
def unions() -> Mapping[str, Variants]:
    """The sections that are tagged unions: method, optimizer, schedule."""
    found = {}
    for name in sections():
        field = Experiment.model_fields[name]
        tag = field.discriminator
        if isinstance(tag, str):
            classes = {str(cls.model_fields[tag].default): cls for cls in _classes(field)}
            found[name] = Variants(tag, getattr(field.default, tag), MappingProxyType(classes))
    return MappingProxyType(found)


def options_of(section: str, values: Mapping[str, Any] | None = None) -> Mapping[str, FieldInfo]:
    """The options of a section: of a union the variant chosen in `values`, or all if that is unclear."""
    if section in unions() and values is not None:
        union, chosen = unions()[section], values.get(section)
        tag_value = chosen.get(union.tag, union.default) if isinstance(chosen, Mapping) else union.default
        if isinstance(tag_value, str) and tag_value in union.classes:
            return union.classes[tag_value].model_fields
    return _options_of_all(section)


@cache
def _options_of_all(section: str) -> Mapping[str, FieldInfo]:
    """The options of all variants of a section."""
    merged: dict[str, FieldInfo] = {}
    for cls in _classes(Experiment.model_fields[section]):
        merged.update(cls.model_fields)
    return MappingProxyType(merged)


def field_of(path: str, values: Mapping[str, Any] | None = None) -> FieldInfo | None:
    """The field of a dotted name, or None if there is no such option (among those chosen in `values`)."""
    section, _, leaf = path.partition(".")
    if not leaf:
        return Experiment.model_fields.get(section)
    return options_of(section, values).get(leaf) if section in sections() else None


def dotted_names(values: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Every name that can be set (`seed`, `method`, `method.name`), in the order of the schema.

    Args:
        values: the options of the variants chosen in it alone; None: those of all variants.
    """
    return tuple(_walk(values))


def option_names(values: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The same without the names of whole sections, in the order of the schema."""
    return tuple(name for name in _walk(values) if name not in sections())


def choices_of(path: str) -> tuple[str, ...]:
    """The values of an option with fixed choices; empty for any other option."""
    section, _, leaf = path.partition(".")
    if section in unions() and leaf == unions()[section].tag:
        return tuple(unions()[section].classes)
    field = field_of(path)
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return tuple(map(str, get_args(field.annotation)))


def suggestion(path: str, values: Mapping[str, Any]) -> str:
    """The hint for a `path` that does not exist in an experiment with these `values`."""
    section, _, leaf = path.rpartition(".")
    union = unions().get(section)
    if union is not None:
        owners = [name for name, cls in union.classes.items() if leaf in cls.model_fields]
        if owners:
            return f"only {section}.{union.tag}={' or '.join(owners)} has it"
    known = dotted_names(values)
    siblings = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == section]
    for sibling in siblings:
        field = field_of(f"{section}.{sibling}" if section else sibling, values)
        if field is not None and (field.title or "").casefold() == leaf.replace("_", " ").casefold():
            return f"did you mean {section}.{sibling}?" if section else f"did you mean {sibling}?"
    near = nearest(leaf, siblings)
    if near is not None:
        return f"did you mean {section}.{near}?" if section else f"did you mean {near}?"
    elsewhere = [name for name in known if name.rpartition(".")[2] == leaf]
    if elsewhere:
        return f"did you mean {elsewhere[0]}?"
    return f"known keys: {', '.join(siblings)}"


def _walk(values: Mapping[str, Any] | None) -> Iterator[str]:
    for name in Experiment.model_fields:
        yield name
        if name in sections():
            for leaf in options_of(name, values):
                yield f"{name}.{leaf}"


def _classes(field: FieldInfo) -> tuple[type[Options], ...]:
    """The groups of options that a field's annotation names: none for a plain value, several for a union."""
    annotation = field.annotation
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return tuple(member for member in members if isinstance(member, type) and issubclass(member, Options))
