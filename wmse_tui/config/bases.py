"""What an experiment can be built on: a preset or a file, read once, with all that they extend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wmse_tui.config.files import read_layer
from wmse_tui.config.layers import Layer, build
from wmse_tui.config.presets import preset_chain
from wmse_tui.config.problems import ConfigError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An experiment that was found right, and that others can be built on.

    Args:
        name: of the preset, or the file as a person knows it.
        preset: its name where it is one, else "".
        file: where the values stand.
        chain: this file and those that it extends, upper first: each with the preset that it extends.
        layers: what they say, lowest first.
    """

    name: str
    preset: str
    file: Path
    chain: tuple[tuple[Path, str | None], ...]
    layers: tuple[Layer, ...]


def preset_base(name: str) -> Base:
    """The preset of that name.

    Raises:
        ConfigError: there is none, or it (or one that it extends) is wrong.
    """
    links = preset_chain(name)
    layers = tuple(link.layer for link in reversed(links))
    build(layers)
    return Base(
        name=name,
        preset=name,
        file=links[0].path,
        chain=tuple((link.path, link.extends) for link in links),
        layers=layers,
    )


def file_base(file: Path) -> Base:
    """A configuration file, or that of a run's folder.

    Raises:
        ConfigError: it cannot be read, or describes nothing that can be run.
    """
    file = file / "config.yaml" if file.is_dir() else file
    if not file.is_file():  # opening a pipe would wait for its writer
        raise ConfigError([Problem("", "there is no such file", source=str(file))])
    layer, extends = read_layer(file, str(file))
    links = preset_chain(extends, asked_by=layer) if extends is not None else ()
    layers = (*(link.layer for link in reversed(links)), layer)
    build(layers)
    return Base(
        name=file.name,
        preset="",
        file=file,
        chain=((file, extends), *((link.path, link.extends) for link in links)),
        layers=layers,
    )
