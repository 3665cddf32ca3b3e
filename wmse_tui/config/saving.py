"""Writing a draft down as a preset of the user: what it extends, and only what differs from that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from wmse_tui.config.atomic import SHARED, publish
from wmse_tui.config.bases import Base
from wmse_tui.config.draft import Draft, draft_of, nested
from wmse_tui.config.layers import Layer, build
from wmse_tui.config.load import dump_experiment
from wmse_tui.config.locations import user_presets_dir
from wmse_tui.config.presets import SUFFIX, preset_layers, shipped_preset_names
from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import read_yaml, write_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name_fault(name: str) -> str:
    """What is wrong with a name for a preset of the user, or "" if it is one."""
    if not name:
        return "a preset needs a name"
    if not _NAME.fullmatch(name):
        return "letters, digits, dots, dashes and underscores of ASCII, at most 64, a letter or digit first"
    if name in shipped_preset_names():
        return f"{name} comes with the program; presets that extend it would change with yours"
    return ""


def preset_file(name: str) -> Path:
    """Where the user's preset of that name stands, or would."""
    return user_presets_dir() / f"{name}{SUFFIX}"


def preset_text(draft: Draft, file: Path) -> str:
    """The draft as the content of a preset `file`.

    It extends what the draft is built on. Where that is, or extends, the very preset that `file` replaces,
    it extends what that one extends.

    Raises:
        ConfigError: the draft is not right yet.
    """
    if draft.experiment is None:
        raise ConfigError(draft.problems)
    extends = _parent(draft.base, file)
    lower = preset_layers(extends) if extends is not None else ()
    values = _difference(draft.experiment, lower, extends, file)
    try:
        same = build((*lower, Layer(values, "", {}))) == draft.experiment
    except ConfigError:
        same = False
    if not same:
        extends, values = None, read_yaml(dump_experiment(draft.experiment), "").values
    head = {} if extends is None else {"extends": extends}
    return write_yaml({**head, **values})


def save_preset(draft: Draft, name: str) -> Path:
    """Write the draft into the folder of the user's presets, in the place of what is there by that name.

    Raises:
        ConfigError: the name names no preset, the draft is not right yet, or the file cannot be written.
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
    """What a preset in `file` extends, if it is to hold something built on `base`."""
    for path, extends in base.chain:
        if path == file:
            return extends
    return base.preset or base.chain[0][1]


def _difference(
    experiment: Experiment, lower: tuple[Layer, ...], extends: str | None, file: Path
) -> dict[str, Any]:
    base = Base(name=extends or "", preset=extends or "", file=file, chain=(), layers=lower)
    return nested(draft_of(experiment, base).active)
