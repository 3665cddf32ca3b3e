"""From presets, files and `--set` to one checked experiment, and from that to YAML that reads back equal.

A preset is an experiment with a name: a file, shipped or written by the user, that may extend another preset.
Shipped presets are in `wmse_tui/presets` (an installed wheel) or in `presets` beside the package (a
checkout), the user's own in `locations.user_presets_dir()`. A user's preset with the name of a shipped one
hides it, and may extend it by that same name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import wmse_tui
from wmse_tui.config.layers import FOLDERS, Layer, build, with_absolute_folders
from wmse_tui.config.locations import user_presets_dir
from wmse_tui.config.names import field_of
from wmse_tui.config.problems import ConfigError, Problem, did_you_mean, quoted
from wmse_tui.config.regular_files import open_regular
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import MAX_BYTES, read_value, read_yaml, write_yaml

SUFFIX = ".yaml"


def load_experiment(
    *, preset: str | None = None, file: Path | None = None, overrides: Sequence[str] = ()
) -> Experiment:
    """The experiment of a preset or of a file (which may have `extends: PRESET`), with `overrides` applied.

    An override is `optimizer.lr=1e-3`. Its value is YAML (a number, a word, `[50, 25]`), or for titles and
    folders the text itself; `null` restores the default. An empty value is refused: it is an unset variable
    in a job script. Relative folders start beside the file that names them, those of an override in the
    working directory. Without preset and file the defaults apply: the paper's recipe for CIFAR-10.

    Raises:
        ConfigError: every problem that was found, each with its file and line or its flag.
    """
    chain: tuple[ConfigFile, ...] = ()
    if file is not None:
        top = read_config_file(file, str(file))
        if top.extends is not None and preset is not None:
            message = f"the file extends {top.extends} already, so the preset {preset} cannot be its base too"
            line = top.layer.lines.get("extends")
            raise ConfigError([Problem("extends", message, "give one of them", line=line, source=str(file))])
        chain = (top, *_extended(top))
    if preset is not None:
        chain = (*chain, *preset_chain(preset))
    return build([*_layers(chain), *override_layers(overrides)])


def parse_experiment(text: str | bytes, source: str) -> Experiment:
    """A complete configuration as `dump_experiment` writes it; `source` names it in errors.

    Raises:
        ConfigError: every problem that was found, with its line.
    """
    document = read_yaml(text, source)
    return build([Layer(document.values, source, document.lines)])


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML: all options, in the order of the schema; `parse_experiment` reads it back."""
    return write_yaml(experiment.model_dump(mode="json"))


# Overrides


def override_layers(overrides: Sequence[str]) -> tuple[Layer, ...]:
    """One layer for each `key=value`, in their order.

    Raises:
        ConfigError: all that are not of that form.
    """
    layers: list[Layer] = []
    problems: list[Problem] = []
    for override in overrides:
        try:
            layers.append(_override(override))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return tuple(layers)


def _override(override: str) -> Layer:
    path, equals, text = override.partition("=")
    path = path.strip()
    source = f"--set {path}"
    if not equals or not all(path.split(".")):
        message = f"expected key=value (optimizer.lr=1e-3), got {quoted(override)}"
        raise ConfigError([Problem("", message, source="--set")])
    field = field_of(path)
    if not text.strip() and (field is None or field.annotation is not str):
        message = "expected a value after `=`, got none"
        raise ConfigError([Problem("", message, "null restores the default", source=source)])
    values: Any = text if _is_literal(path, text) else read_value(text, source)
    for part in reversed(path.split(".")):
        values = {part: values}
    return Layer(with_absolute_folders(values), source, {})


def _is_literal(path: str, text: str) -> bool:
    """Whether a value is text and no YAML: a colon in a title or a folder called 1 needs no quotes."""
    if text.strip() in ("~", "null") or text[:1] in ("'", '"'):
        return False
    field = field_of(path)
    return path in FOLDERS or (field is not None and field.annotation is str)


# Files and what they extend


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file as read, unchecked.

    Args:
        path: the file.
        layer: its values; relative folders in it start beside the file.
        extends: the preset that it builds on, if any.
    """

    path: Path
    layer: Layer
    extends: str | None


@dataclass(frozen=True, kw_only=True)
class Base:
    """A preset or a configuration file, with all that it extends: what an experiment can be built on.

    Args:
        name: of the preset, or of the file.
        origin: whether it is a shipped preset, the user's preset, or another file.
        chain: its file and those that it extends, upper first.
    """

    name: str
    origin: Literal["shipped", "user", "file"]
    chain: tuple[ConfigFile, ...]

    @property
    def preset(self) -> str:
        """Its name where it is a preset, else ""."""
        return "" if self.origin == "file" else self.name

    @property
    def file(self) -> Path:
        """Its own file."""
        return self.chain[0].path

    @property
    def extends(self) -> str | None:
        """The preset that it extends itself, if any."""
        return self.chain[0].extends

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of all its files, lowest first."""
        return _layers(self.chain)

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that these files describe. Raises ConfigError where they describe none."""
        return build(self.layers)


def find_preset(name: str) -> Base:
    """The preset of that name, checked.

    Raises:
        ConfigError: there is none, or it (or one that it extends) is wrong.
    """
    chain = preset_chain(name)
    shipped = chain[0].path == _names_in(shipped_presets_dir()).get(name)
    return _checked(Base(name=name, origin="shipped" if shipped else "user", chain=chain))


def find_file(file: Path) -> Base:
    """A configuration file, or that of a run directory, checked.

    Raises:
        ConfigError: it cannot be read, or describes nothing that can be run.
    """
    file = file / "config.yaml" if file.is_dir() else file
    if not file.is_file():  # opening a pipe would wait for its writer
        raise ConfigError([Problem("", "there is no such file", source=str(file))])
    top = read_config_file(file, str(file))
    return _checked(Base(name=file.name, origin="file", chain=(top, *_extended(top))))


def preset_chain(name: str, *, extended_by: Layer | None = None) -> tuple[ConfigFile, ...]:
    """The preset's file and those that it extends, upper first.

    Args:
        name: of the preset.
        extended_by: the layer that extends it, for messages.

    Raises:
        ConfigError: there is no such preset, a file cannot be read, or it extends itself in a circle.
    """
    chain: list[ConfigFile] = []
    wanted: str | None = name
    while wanted is not None:
        path, source = _preset_file(wanted, chain, extended_by)
        chain.append(read_config_file(path, source))
        wanted = chain[-1].extends
    return tuple(chain)


def read_config_file(path: Path, source: str) -> ConfigFile:
    """Read one file; `source` names it in errors.

    Raises:
        ConfigError: the file cannot be read, is not text, or is not a configuration.
    """
    try:
        with open_regular(path) as file:
            document = read_yaml(file.read(MAX_BYTES + 1), source)
    except OSError as error:
        raise ConfigError(
            [Problem("", f"cannot be read: {error.strerror or error}", source=source)]
        ) from None
    values = with_absolute_folders(document.values, path.parent)
    extends = values.pop("extends", None)
    if extends is not None and not isinstance(extends, str):
        message, line = f"expected the name of a preset, got {quoted(extends)}", document.lines["extends"]
        raise ConfigError([Problem("extends", message, line=line, source=source)])
    return ConfigFile(path, Layer(values, source, document.lines), extends)


def _extended(file: ConfigFile) -> tuple[ConfigFile, ...]:
    return () if file.extends is None else preset_chain(file.extends, extended_by=file.layer)


def _layers(chain: Sequence[ConfigFile]) -> tuple[Layer, ...]:
    return tuple(file.layer for file in reversed(chain))


def _checked(base: Base) -> Base:
    _ = base.experiment
    return base


# Folders of presets


def preset_names() -> tuple[str, ...]:
    """The names of all presets, shipped and the user's, sorted. Their files are not opened."""
    return tuple(sorted({**_names_in(shipped_presets_dir()), **_names_in(user_presets_dir())}))


def user_preset_files() -> Mapping[str, Path]:
    """The files of the user's presets by name; some may hide a shipped one. They are not opened."""
    return _names_in(user_presets_dir())


def shipped_preset_names() -> frozenset[str]:
    """The names of the presets that come with the program."""
    return frozenset(_names_in(shipped_presets_dir()))


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
    message = f"the shipped presets are missing: neither {candidates[0]} nor {candidates[1]} exists"
    raise ConfigError([Problem("", message, "install wmse-tui again")])


def _preset_file(name: str, chain: list[ConfigFile], extended_by: Layer | None) -> tuple[Path, str]:
    """The file of a preset that is not in the chain yet, and its name in messages."""
    own, shipped = _names_in(user_presets_dir()), _names_in(shipped_presets_dir())
    found = [(own[name], str(own[name]))] if name in own else []
    found += [(shipped[name], f"{name}{SUFFIX}")] if name in shipped else []
    seen = {file.path for file in chain}
    for path, source in found:
        if path not in seen:
            return path, source
    if found:
        names = " -> ".join([*(file.path.stem for file in chain), name])
        message, fix = f"{names} is a cycle", "remove `extends` from one of them"
    else:
        guess = did_you_mean(name, [*shipped, *own])
        message, fix = f"there is no preset {quoted(name)}", f"{guess} `wmse-tui presets` lists them".strip()
    upper = chain[-1].layer if chain else extended_by
    if upper is None:
        raise ConfigError([Problem("", message, fix)])
    line = upper.lines.get("extends")
    raise ConfigError([Problem("extends", message, fix, line=line, source=upper.source)])


def _names_in(folder: Path) -> dict[str, Path]:
    """The presets of a folder by name; none where the folder cannot be listed."""
    try:
        files = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError:
        return {}
    return {path.stem: path for path in files if path.suffix == SUFFIX and not path.name.startswith(".")}
