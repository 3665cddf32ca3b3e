"""Options as fields of a form: label, kind and bounds, and the value as text and back.

Derived from the models, so that a new option appears in every form.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from wmse_tui.config.names import choices_of, field_of, option_names, unions
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import read_value

_UNSET = re.compile(r"\bempty: (.+?)\.?(?= [A-Z]|$)")

Kind = Literal["choice", "flag", "whole", "number", "text", "folder", "list", "mixed"]
"""`mixed`: a word, a number or a list in brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One option as a form shows it.

    Args:
        path: dotted name.
        title, description, unit: as in the schema; `unit` may be empty.
        kind: how it is entered.
        optional: it may be empty; the description says what that means.
        choices: the values of a choice.
        examples: values of an option that is no choice.
        bounds: the allowed values as text ("2 to 16"); empty where there are no bounds.
        default: as plain data.
    """

    path: str
    title: str
    description: str
    unit: str
    kind: Kind
    optional: bool
    choices: tuple[str, ...]
    examples: tuple[str, ...]
    bounds: str
    default: Any

    @property
    def fixed(self) -> bool:
        """Whether the value is chosen, not typed."""
        return self.kind in ("choice", "flag")

    @property
    def unset(self) -> str:
        """What an empty value means, from the description: "(all)"; "(none)" where that says nothing."""
        found = _UNSET.search(self.description)
        return f"({found[1]})" if found else "(none)"

    def text(self, value: object) -> str:
        """The text of a value in the field; text that was typed in its stead is returned as it is."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (list, tuple)):
            items = ", ".join(self.text(item) for item in value)
            return f"[{items}]" if self.kind == "mixed" else items
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return str(value)

    def value(self, text: str) -> Any:
        """The plain value of a text; one of another kind is returned as it is, for the schema to refuse."""
        if self.kind == "text":
            return text
        bare = text.strip()
        if not bare:
            return None if self.optional or self.kind == "folder" else [] if self.kind == "list" else ""
        if self.kind in ("folder", "choice"):
            return bare
        if (self.kind == "list" or (self.kind == "mixed" and "," in bare)) and not bare.startswith("["):
            bare = f"[{bare}]"
        try:
            value = read_value(bare, "")
        except ConfigError:
            return text
        return text if value is None else value


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Options that a form shows together: whole sections, and options outside sections."""

    name: str
    title: str
    members: tuple[str, ...]


_GROUPS = (
    FieldGroup("run", "Title and seed", ("title", "seed", "paper")),
    FieldGroup("dataset", "Data set", ("dataset",)),
    FieldGroup("augmentation", "Augmentation", ("augmentation",)),
    FieldGroup("backbone", "Backbone", ("backbone",)),
    FieldGroup("projector", "Projector", ("projector",)),
    FieldGroup("method", "Method, whitening", ("method",)),
    FieldGroup("optimizer", "Optimizer, schedule", ("optimizer", "schedule")),
    FieldGroup("evaluation", "Evaluation", ("evaluation",)),
    FieldGroup("compute", "Compute, checkpoints", ("compute", "checkpoint")),
)


@cache
def groups() -> tuple[FieldGroup, ...]:
    """All groups; a section that none of them names gets its own."""
    placed = {member for group in _GROUPS for member in group.members}
    rest = [name for name in Experiment.model_fields if name not in placed]
    return (
        *_GROUPS,
        *(FieldGroup(name, Experiment.model_fields[name].title or name, (name,)) for name in rest),
    )


def group_of(path: str) -> FieldGroup:
    """The group of a dotted name; the first one for an unknown name."""
    section = path.partition(".")[0]
    return next((group for group in groups() if section in group.members), groups()[0])


def is_metadata(path: str) -> bool:
    """Whether an option describes a preset, as its published number does, and sets nothing of a run."""
    return path.startswith("paper.")


def chosen_options(values: Mapping[str, Any], members: Iterable[str]) -> tuple[str, ...]:
    """The options of these sections, in the order of `members`, by their dotted names.

    Of a section with variants, those of the variant chosen in `values`, beginning with the one that chooses.
    """
    names = option_names(values)
    return tuple(name for member in members for name in names if name.partition(".")[0] == member)


def form_field(path: str, values: Mapping[str, Any]) -> FormField:
    """The field of an option that exists among the variants chosen in `values`.

    Raises:
        KeyError: there is no such option.
    """
    section = path.partition(".")[0]
    union = unions().get(section)
    chosen = values.get(section) if union is not None else None
    variant = chosen.get(union.tag, union.default) if union and isinstance(chosen, Mapping) else ""
    return _described(path, variant if isinstance(variant, str) else "")


@cache
def _described(path: str, variant: str) -> FormField:
    section, _, leaf = path.partition(".")
    union = unions().get(section)
    info = field_of(path, {section: {union.tag: variant}} if union and variant else {})
    if info is None:
        raise KeyError(path)
    tag = union is not None and leaf == union.tag
    annotation, metadata, optional = _bare(info)
    kind = "choice" if tag else _kind(annotation)
    choices = choices_of(path) if kind == "choice" else ()
    extra = info.json_schema_extra
    return FormField(
        path=path,
        title=info.title or leaf or section,
        description=info.description or "",
        unit=str(extra.get("unit", "")) if isinstance(extra, dict) else "",
        kind=kind,
        optional=optional,
        choices=choices,
        examples=tuple("".join(str(example).split()) for example in info.examples or ()),
        bounds=_bounds(kind, annotation, metadata, info),
        default=plain_value(info.get_default()),
    )


def plain_value(value: Any) -> Any:
    """A value of a model as YAML would give it: lists, texts, numbers."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    return value


def _bare(info: FieldInfo) -> tuple[Any, tuple[Any, ...], bool]:
    """The type without Optional and Annotated, the metadata of these, and whether it was optional."""
    annotation, metadata, optional = info.annotation, tuple(info.metadata), False
    while True:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            annotation, metadata = arguments[0], metadata + tuple(_unpacked(arguments[1:]))
        elif origin in (Union, types.UnionType) and type(None) in arguments:
            optional = True
            annotation = next(member for member in arguments if member is not type(None))
        else:
            return annotation, metadata, optional


def _unpacked(metadata: Iterable[Any]) -> Iterator[Any]:
    for item in metadata:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)


def _kind(annotation: Any) -> Kind:
    if get_origin(annotation) is Literal:
        return "choice"
    if get_origin(annotation) is tuple:
        return "list"
    if get_origin(annotation) in (Union, types.UnionType):
        return "mixed"
    kinds: dict[Any, Kind] = {bool: "flag", int: "whole", float: "number", str: "text", Path: "folder"}
    if annotation not in kinds:
        raise TypeError(f"a form has no field for {annotation}: add its kind to wmse_tui/config/fields.py")
    return kinds[annotation]


def _bounds(kind: Kind, annotation: Any, metadata: tuple[Any, ...], info: FieldInfo) -> str:
    limits = _limits(metadata)
    if kind in ("whole", "number"):
        return _range(limits)
    if kind in ("text", "mixed"):
        if info.examples:
            return f"such as {', '.join(map(str, info.examples))}"
        return f"at most {limits['max_length']} characters" if "max_length" in limits else ""
    if kind != "list":
        return ""
    items = get_args(annotation)
    _, metadata_of_one, _ = _bare(FieldInfo.from_annotation(items[0]))
    each = _range(_limits(metadata_of_one))
    if items[-1] is Ellipsis:
        count = f"at most {limits['max_length']} numbers" if "max_length" in limits else "numbers"
    else:
        count = f"{len(items)} numbers"
    return f"{count}, each {each}" if each else count


def _limits(metadata: Iterable[Any]) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt", "max_length", "min_length")
    return {name: getattr(item, name) for item in metadata for name in names if hasattr(item, name)}


def _range(limits: Mapping[str, Any]) -> str:
    if "ge" in limits and "le" in limits:
        return f"{limits['ge']:,} to {limits['le']:,}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{word} {limits[name]:,}" for name, word in words.items() if name in limits)
