"""The configuration of a run, read from its frozen `config.yaml`.

Complete it is an `Experiment`. In part it is a `ConfigSummary`, which is read leniently: a run of an earlier
version, whose configuration today's schema may refuse, still has a name, a method and a data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from wmse_tui.config.problems import ConfigError
from wmse_tui.config.yaml import MAX_BYTES
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import open_file

if TYPE_CHECKING:
    from wmse_tui.config.schema import Experiment

_DEEPEST = 20
_PRESET = "# preset: "
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration of a run: the experiment, or else why it cannot be read, in one sentence."""

    experiment: Experiment | None
    problem: str = ""


def load_configuration(run: RunDirectory, source: str | None = None) -> Experiment:
    """The experiment of `run`; `source` names its file in errors (by default the whole path).

    Raises:
        ConfigError: it is damaged, or of a version that this one does not know.
        OSError: it cannot be read.
    """
    from wmse_tui.config.loading import parse_experiment  # the schema, which a list of runs need not build

    with open_file(run.config) as file:
        text = file.read(MAX_BYTES + 1)
    return parse_experiment(text, str(run.config) if source is None else source)


def read_configuration(run: RunDirectory) -> Configuration:
    """The configuration of `run`; never raises for what is in the file, or for its absence."""
    try:
        return Configuration(load_configuration(run, "config.yaml"))
    except OSError as error:
        return Configuration(None, f"config.yaml cannot be read: {error.strerror or error}")
    except ConfigError as error:
        more = len(error.problems) - 1
        return Configuration(None, error.problems[0].text() + (f" (and {more} more)" if more else ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSummary:
    """Parts of a configuration for a list or a heading; empty or 0 where they cannot be read (`problem`)."""

    title: str = ""
    preset: str = ""  # what the run was made from, recorded in the first line
    method: str = ""
    dataset: str = ""
    arch: str = ""
    epochs: int = 0
    batch_size: int = 0
    seed: int = 0
    lr: float = 0.0  # 0: unknown
    whitening_size: int = 0  # of W-MSE, as are the next two
    eps: float = 0.0
    operator: str = ""  # how W-MSE whitens
    normalize: bool = False  # whitened embeddings are compared by cosine
    problem: str = ""


def with_preset(config_text: str, preset: str) -> str:
    """`config_text` with a first line (a comment) that records the preset."""
    name = "".join(c for c in preset if c.isprintable())
    return f"{_PRESET}{name}\n{config_text}" if name else config_text


def read_experiment(run: RunDirectory) -> Experiment | None:
    """The experiment of `run`; None where it cannot be read. Never raises.

    Much faster than `read_configuration`, which knows lines and reasons: it is for many runs.
    """
    from wmse_tui.config.schema import Experiment  # which a list of runs need not build

    try:
        with open_file(run.config) as file:
            values = _load(file.read(MAX_BYTES).decode())
        return Experiment.model_validate(values)
    except (
        OSError,
        ValueError,
        RecursionError,
        yaml.YAMLError,
        ConfigError,
    ):  # a ValidationError is a ValueError
        return None


def summarise(config: Path) -> ConfigSummary:
    """The summary of a `config.yaml`; never raises for what is in it, or for its absence."""
    try:
        with open_file(config) as file:
            text = file.read(MAX_BYTES).decode()
        values = _load(text)
    except OSError as error:
        return ConfigSummary(problem=f"config.yaml cannot be read: {error.strerror or error}")
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        return ConfigSummary(
            problem=f"config.yaml cannot be read: {str(error).splitlines()[0] if str(error) else error!r}"
        )
    if not isinstance(values, dict):
        return ConfigSummary(problem="config.yaml holds no configuration")
    first = text.split("\n", 1)[0]
    return ConfigSummary(
        title=_text(values, "title"),
        preset=first.removeprefix(_PRESET).strip() if first.startswith(_PRESET) else "",
        method=_text(values, "method", "name"),
        dataset=_text(values, "dataset", "name"),
        arch=_text(values, "backbone", "arch"),
        epochs=_number(values, "schedule", "epochs"),
        batch_size=_number(values, "schedule", "batch_size"),
        seed=_number(values, "seed"),
        lr=_positive(values, "optimizer", "lr"),
        whitening_size=_number(values, "method", "whitening_size"),
        eps=_share(values, "method", "eps"),
        operator=_text(values, "method", "operator"),
        normalize=_find(values, ("method", "normalize")) is True,
    )


def _load(text: str) -> object:
    """The document in `text`. Nesting is bounded first: libyaml's loader overflows the stack on depth."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 (both loaders are safe ones)


def _find(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _text(values: Any, *path: str) -> str:
    found = _find(values, path)
    return found if isinstance(found, str) else ""


def _positive(values: Any, *path: str) -> float:
    found = _find(values, path)
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return float(found) if number and 0 < found < 1e300 else 0.0


def _number(values: Any, *path: str) -> int:
    found = _find(values, path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**53 else 0


def _share(values: Any, *path: str) -> float:
    found = _find(values, path)
    return float(found) if isinstance(found, (int, float)) and 0 <= found <= 1 else 0.0
