"""An experiment being edited: a valid base, and the user's changes to it, valid or not.

A change may be anything that was typed; the schema finds the problems. The options of variants that are
not chosen (`method.temperature` while the method is W-MSE) are remembered until their variant is chosen
again. Everything else follows the rules of layers: the changes are one layer above those of the base.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wmse_tui.config.atomic import SHARED, publish
from wmse_tui.config.fields import FormField, form_field, is_metadata
from wmse_tui.config.layers import RECIPE, Layer, build, merge, with_absolute_folders
from wmse_tui.config.loading import (
    SUFFIX,
    Base,
    dump_experiment,
    override_layers,
    preset_chain,
    shipped_preset_names,
)
from wmse_tui.config.locations import user_presets_dir
from wmse_tui.config.names import option_names, sections, unions
from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import read_yaml, write_yaml

_PRESET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Draft:
    """A base and the changes to it; immutable, every change returns another draft.

    Args:
        base: the valid experiment that it builds on.
        changes: plain values by dotted name, also of variants that are not chosen; None restores the
            default. A whole section may be None (`paper`).
    """

    base: Base
    changes: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def with_value(self, path: str, value: Any) -> Draft:
        """The draft with an option set; setting the value that it has anyway removes the change."""
        bare = self.without(path)
        if _same(bare.values.get(path), value):
            return bare
        return replace(bare, changes={**bare.changes, path: value})

    def without(self, path: str) -> Draft:
        """The draft without the change of an option."""
        dropped = (path, path.partition(".")[0])
        return replace(self, changes={name: v for name, v in self.changes.items() if name not in dropped})

    def untouched(self) -> Draft:
        """The base without any change."""
        return replace(self, changes=_NOTHING)

    @cached_property
    def active(self) -> Mapping[str, Any]:
        """The changes to chosen variants, those that decide on others first."""
        if not self.changes:
            return _NOTHING
        there = {*self.names, *sections()}
        order = {name: rank for rank, name in enumerate(dict.fromkeys((*_DECIDING, *self.names)))}
        names = sorted((name for name in self.changes if name in there), key=lambda n: order.get(n, -1))
        return {name: self.changes[name] for name in names}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The options of the chosen variants, in the order of the schema."""
        return option_names(self.merged)

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """The plain value of each of these options: typed, read from a file, or the default."""
        return {name: _value_at(self.merged, name) for name in self.names}

    @cached_property
    def fields(self) -> Mapping[str, FormField]:
        """The form field of each of them."""
        return {name: form_field(name, self.merged) for name in self.names}

    @property
    def experiment(self) -> Experiment | None:
        """The valid experiment, or None while there are problems."""
        return self._built[0]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems of the draft."""
        return self._built[1]

    def problems_at(self, path: str) -> tuple[Problem, ...]:
        """The problems of one option."""
        return tuple(p for p in self.problems if p.path == path or p.path.startswith(f"{path}."))

    def changed(self, path: str) -> bool:
        """Whether the user changed this option."""
        return path in self.active or path.partition(".")[0] in self.active

    def reference(self, path: str) -> Any:
        """The plain value that the option has without its change."""
        return self.without(path).values.get(path)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the base, and the changes on them."""
        if not self.active:
            return self.base.layers
        return (*self.base.layers, _layer(self.active))

    @cached_property
    def merged(self) -> Mapping[str, Any]:
        """Base and changes merged by section, without defaults."""
        # The variants that the changes choose determine which of the other changes apply.
        chosen = {name: value for name, value in self.changes.items() if name in _TAGS}
        there = {*option_names(merge((*self.base.layers, _layer(chosen)))), *sections()}
        layer = _layer({name: value for name, value in self.changes.items() if name in there})
        return merge((*self.base.layers, layer))

    @cached_property
    def _built(self) -> tuple[Experiment | None, tuple[Problem, ...]]:
        try:
            return build(self.layers), ()
        except ConfigError as error:
            return None, error.problems


_TAGS = tuple(f"{section}.{union.tag}" for section, union in unions().items())
_DECIDING = tuple(dict.fromkeys((*_TAGS, *RECIPE)))
"""Options that drop others when they change: they come first wherever changes are applied one by one."""


def experiment_with(draft: Draft, settings: Sequence[str]) -> Experiment:
    """The experiment of the draft with some `KEY=VALUE` set, as `--set` sets them.

    Raises:
        ConfigError: every problem of the draft and of the settings.
    """
    return build((*draft.layers, *override_layers(settings)))


def draft_of(experiment: Experiment, base: Base) -> Draft:
    """The experiment as a base and the fewest changes to it."""
    wanted = plain_values(experiment)
    draft = Draft(base)
    for name in _DECIDING:
        draft = draft.with_value(name, wanted[name])
    there = merge(draft.layers).get("paper") is not None
    if experiment.paper is None:
        more: dict[str, Any] = {"paper": None} if there else {}
        wanted = {name: value for name, value in wanted.items() if not is_metadata(name)}
    else:
        more = {} if there else {name: value for name, value in wanted.items() if is_metadata(name)}
    values = draft.values
    more |= {name: value for name, value in wanted.items() if not _same(values[name], value)}
    return replace(draft, changes={**draft.changes, **more})


def plain_values(experiment: Experiment) -> dict[str, Any]:
    """Every option of an experiment by its dotted name, as plain data; defaults where a section is None."""
    values = experiment.model_dump(mode="json")
    return {name: _value_at(values, name) for name in option_names(values)}


def command_line(draft: Draft, *, name: str | None = None, runs_dir: Path | None = None) -> str:
    """The command that starts the same run from a shell."""
    words = ["wmse-tui", "run"]
    words += ["--preset", draft.base.preset] if draft.base.preset else ["--config", str(draft.base.file)]
    for path, value in draft.active.items():
        words += ["--set", f"{path}={_override(path, value, draft.fields.get(path))}"]
    words += ["--name", name] if name else []
    words += ["--runs-dir", str(runs_dir)] if runs_dir is not None else []
    return shlex.join(words)


def _override(path: str, value: Any, option: FormField | None) -> str:
    """A value as `--set` reads it back: text unquoted, unless it would be read as something else."""
    if value is None or option is None:
        return "null"
    if option.kind == "list":
        return f"[{option.text(value)}]"
    text = option.text(_value_at(_layer({path: value}).values, path))
    if option.kind not in ("text", "folder"):
        return text
    if text.isprintable() and text.strip() not in ("~", "null") and text[:1] not in ("'", '"'):
        return text
    escaped = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(escaped)}"'


def _layer(changes: Mapping[str, Any]) -> Layer:
    return Layer(nested(changes), "", {})


def nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by section, as a file has them; relative folders start at the working directory."""
    values: dict[str, Any] = {}
    for path, value in changes.items():
        section, _, leaf = path.partition(".")
        if not leaf:
            values[section] = value
        elif values.setdefault(section, {}) is not None:
            values[section][leaf] = value
    return with_absolute_folders(values)


def _value_at(merged: Mapping[str, Any], path: str) -> Any:
    section, _, leaf = path.partition(".")
    entries = merged.get(section) if leaf else merged
    key = leaf or section
    if isinstance(entries, Mapping) and key in entries:
        return entries[key]
    return form_field(path, merged).default


def _same(one: Any, other: Any) -> bool:
    """Equal, and of one kind: true is not 1 here, though 1 is 1.0."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


# Saving as a preset


def name_fault(name: str) -> str:
    """Why a name cannot be that of a preset of the user, or "" if it can."""
    if not name:
        return "a preset needs a name"
    if not _PRESET_NAME.fullmatch(name):
        return "letters, digits, dots, dashes and underscores of ASCII, at most 64, a letter or digit first"
    if name in shipped_preset_names():
        return f"a shipped preset has the name {name}; choose another, such as {name}-mine"
    return ""


def preset_file(name: str) -> Path:
    """The file of the user's preset of that name, existing or not."""
    return user_presets_dir() / f"{name}{SUFFIX}"


def preset_text(draft: Draft, file: Path) -> str:
    """The draft as the text of a preset `file`.

    It extends the draft's base. Where that is, or extends, the very preset that `file` replaces,
    it extends that preset's own base.

    Raises:
        ConfigError: the draft has problems.
    """
    if draft.experiment is None:
        raise ConfigError(draft.problems)
    extends = _parent(draft.base, file)
    base = Base(name=extends or "", origin="user", chain=() if extends is None else preset_chain(extends))
    values = nested(draft_of(draft.experiment, base).active)
    try:
        same = build((*base.layers, Layer(values, "", {}))) == draft.experiment
    except ConfigError:
        same = False
    if not same:
        extends, values = None, read_yaml(dump_experiment(draft.experiment), "").values
    head = {} if extends is None else {"extends": extends}
    return write_yaml({**head, **values})


def save_preset(draft: Draft, name: str) -> Path:
    """Write the draft into the folder of the user's presets, replacing the one of that name.

    Raises:
        ConfigError: the name is not allowed, the draft has problems, or the file cannot be written.
    """
    fault = name_fault(name)
    if fault:
        raise ConfigError([Problem("", f"{name!r} cannot be the name of a preset: {fault}")])
    file = preset_file(name)
    content = preset_text(draft, file).encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        publish(file, content, mode=SHARED)
    except OSError as error:
        message, fix = (
            f"cannot be written: {error.strerror or error}",
            "set WMSE_TUI_PRESETS to a folder of yours",
        )
        raise ConfigError([Problem("", message, fix, source=str(file))]) from None
    return file


def _parent(base: Base, file: Path) -> str | None:
    """The preset that `file` is to extend in order to hold something built on `base`."""
    for link in base.chain:
        if link.path == file:
            return link.extends
    return base.preset or base.extends
