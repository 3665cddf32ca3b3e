"""From preset, file and `--set` to one checked experiment, and from that to a text that gives it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wmse_tui.config.files import read_layer
from wmse_tui.config.layers import FOLDERS, Layer, build, with_absolute_folders
from wmse_tui.config.names import field_of
from wmse_tui.config.presets import preset_layers
from wmse_tui.config.problems import ConfigError, Problem, shown
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import read_value, read_yaml, write_yaml


def load_experiment(
    *, preset: str | None = None, file: Path | None = None, overrides: Sequence[str] = ()
) -> Experiment:
    """The experiment of a preset or of a file (which may say `extends: PRESET`), with `overrides` on it.

    An override is `optimizer.lr=1e-3`. Its value is YAML (a number, a word, `[50, 25]`); for titles and
    folders it is taken as it stands; `null` clears. An empty value is refused: it is a job script's variable
    that nobody set. Relative folders start beside the file that names them,
    and in an override in the working directory. Without preset and file the defaults hold, which are the
    paper's recipe for CIFAR-10.

    Raises:
        ConfigError: every problem that was found, each with its file and line or its flag.
    """
    layers: list[Layer] = []
    if file is not None:
        layer, base = read_layer(file, str(file))
        if base is not None and preset is not None:
            message = f"the file extends {base} already, so it cannot lie on the preset {preset} as well"
            line = layer.lines.get("extends")
            raise ConfigError([Problem("extends", message, "give one of them", line=line, source=str(file))])
        if base is not None:
            layers += preset_layers(base, asked_by=layer)
        layers.append(layer)
    if preset is not None:
        layers[:0] = preset_layers(preset)
    return build([*layers, *override_layers(overrides)])


def parse_experiment(text: str, source: str) -> Experiment:
    """A complete configuration, as `dump_experiment` writes and a run keeps it; `source` names it in errors.

    Raises:
        ConfigError: every problem that was found, with its line.
    """
    document = read_yaml(text, source)
    return build([Layer(document.values, source, document.lines)])


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML: all options, in the order of the schema; `parse_experiment` reads it back."""
    return write_yaml(experiment.model_dump(mode="json"))


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
        message = f"expected key=value (optimizer.lr=1e-3), got {shown(override)}"
        raise ConfigError([Problem("", message, source="--set")])
    field = field_of(path)
    if not text.strip() and (field is None or field.annotation is not str):
        message = "expected a value after `=`, got none"
        raise ConfigError([Problem("", message, "null gives the default back", source=source)])
    values: Any = text if _literal(path, text) else read_value(text, source)
    for part in reversed(path.split(".")):
        values = {part: values}
    return Layer(with_absolute_folders(values, Path.cwd()), source, {})


def _literal(path: str, text: str) -> bool:
    """Whether a value is text as it stands: a colon in a title or a folder called 1 needs no quotes."""
    if text.strip() in ("~", "null") or text[:1] in ("'", '"'):
        return False
    field = field_of(path)
    return path in FOLDERS or (field is not None and field.annotation is str)
