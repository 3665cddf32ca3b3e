"""Presets: experiments with a name, shipped or written by the user, each a file that may extend another.

Shipped presets lie in `wmse_tui/presets` (an installed wheel) or in `presets` beside the package (a
checkout). The user's own lie in `locations.user_presets_dir()`; one with the name of a shipped preset is
taken in its stead, and may extend it by that same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import wmse_tui
from wmse_tui.config.files import read_layer
from wmse_tui.config.layers import Layer, build
from wmse_tui.config.locations import user_presets_dir
from wmse_tui.config.problems import ConfigError, Problem, did_you_mean, shown
from wmse_tui.config.schema import Experiment

SUFFIX = ".yaml"
HOW_TO_LIST = "`wmse-tui presets` lists them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """An experiment with a name.

    Args:
        name: what `--preset` takes.
        path: its file.
        title: the experiment's title.
        experiment: complete and checked.
        extends: the preset that it builds on, if any.
        origin: who wrote it.
        shadows: whether a shipped preset of the same name is hidden by it.
    """

    name: str
    path: Path
    title: str
    experiment: Experiment
    extends: str | None
    origin: Literal["shipped", "user"]
    shadows: bool


def shipped_presets_dir(package: Path | None = None) -> Path:
    """The folder of the shipped presets; `package` is the folder of the package (by default this one).

    Raises:
        ConfigError: the installation is damaged.
    """
    home = Path(wmse_tui.__file__).parent if package is None else package
    candidates = (home / "presets", home.parent / "presets")
    for folder in candidates:
        if folder.is_dir():
            return folder
    message = f"the shipped presets are missing: neither {candidates[0]} nor {candidates[1]} is there"
    raise ConfigError([Problem("", message, "install wmse-tui again")])


def preset_names() -> tuple[str, ...]:
    """The names of all presets, shipped and the user's, sorted. Their files are not opened."""
    return tuple(sorted({**_names_in(shipped_presets_dir()), **_names_in(user_presets_dir())}))


def shipped_preset_names() -> frozenset[str]:
    """The names of the presets that come with the program."""
    return frozenset(_names_in(shipped_presets_dir()))


def find_preset(name: str) -> Preset:
    """The preset of that name, read and checked.

    Raises:
        ConfigError: there is none, or it (or one that it extends) is wrong.
    """
    chain = preset_chain(name)
    experiment = build(link.layer for link in reversed(chain))
    top = chain[0]
    shipped = _names_in(shipped_presets_dir())
    return Preset(
        name=name,
        path=top.path,
        title=experiment.title,
        experiment=experiment,
        extends=top.extends,
        origin="shipped" if top.path == shipped.get(name) else "user",
        shadows=name in shipped and top.path != shipped[name],
    )


def preset_layers(name: str, *, asked_by: Layer | None = None) -> tuple[Layer, ...]:
    """The layers of a preset, what it extends first. `asked_by` is a file that extends it, for messages.

    Raises:
        ConfigError: there is no such preset, a file cannot be read, or it extends itself in a circle.
    """
    return tuple(link.layer for link in reversed(preset_chain(name, asked_by=asked_by)))


@dataclass(frozen=True, slots=True)
class Link:
    """One preset file of a chain of extensions."""

    path: Path
    layer: Layer
    extends: str | None


def preset_chain(name: str, *, asked_by: Layer | None = None) -> tuple[Link, ...]:
    """The preset's file and those that it extends, upper first; `asked_by` as in `preset_layers`.

    Raises:
        ConfigError: as `preset_layers`.
    """
    chain: list[Link] = []
    wanted: str | None = name
    while wanted is not None:
        path, source = _file(wanted, chain, asked_by)
        layer, extends = read_layer(path, source)
        chain.append(Link(path, layer, extends))
        wanted = extends
    return tuple(chain)


def _file(name: str, chain: list[Link], asked_by: Layer | None) -> tuple[Path, str]:
    """The file of a preset that is not in the chain yet, and how messages call it."""
    own, shipped = _names_in(user_presets_dir()), _names_in(shipped_presets_dir())
    found = [(own[name], str(own[name]))] if name in own else []
    found += [(shipped[name], f"{name}{SUFFIX}")] if name in shipped else []
    seen = {link.path for link in chain}
    for path, source in found:
        if path not in seen:
            return path, source
    if found:
        names = " -> ".join([*(link.path.stem for link in chain), name])
        message, fix = f"{names} goes in a circle", "let one of them extend nothing"
    else:
        guess = did_you_mean(name, [*shipped, *own])
        message, fix = f"there is no preset {shown(name)}", f"{guess} {HOW_TO_LIST}".strip()
    upper = chain[-1].layer if chain else asked_by
    if upper is None:
        raise ConfigError([Problem("", message, fix)])
    line = upper.lines.get("extends")
    raise ConfigError([Problem("extends", message, fix, line=line, source=upper.source)])


def _names_in(folder: Path) -> dict[str, Path]:
    """The presets of a folder by name; none where the folder cannot be listed."""
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return {}
    return {path.stem: path for path in files if path.suffix == SUFFIX and not path.name.startswith(".")}
