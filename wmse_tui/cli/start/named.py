"""`run --name X` where X exists: the same configuration goes on, another is refused with its differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wmse_tui.cli.console import UserError
from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory


def config_of(run: RunDirectory) -> Experiment:
    """Return the frozen configuration of a run.

    Raises:
        ConfigError: it is damaged, or of a version that this one does not know.
        OSError: it cannot be read.
    """
    return parse_experiment(run.config.read_text(encoding="utf-8"), str(run.config))


def refuse_other_config(run: RunDirectory, wanted: Experiment) -> None:
    """Raise a UserError that lists the differing options if `run` was made from another configuration."""
    differences = tuple(differing(config_of(run), wanted))
    if differences:
        listed = [f"{path}: {theirs} there, {ours} now" for path, theirs, ours in differences]
        raise UserError(
            f"the run {run.id!r} exists with another configuration",
            "\n".join(listed),
            ("choose another --name", f"continue that run as it is: wmse-tui resume {run.id}"),
        )


def differing(there: Experiment, now: Experiment) -> Iterator[tuple[str, str, str]]:
    """Yield (dotted name, value there, value now) for every option that differs; "-" where one has none."""
    left = dict(_leaves(there.model_dump(mode="json")))
    right = dict(_leaves(now.model_dump(mode="json")))
    for path in dict.fromkeys([*left, *right]):
        if left.get(path) != right.get(path):
            yield path, str(left.get(path, "-")), str(right.get(path, "-"))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
