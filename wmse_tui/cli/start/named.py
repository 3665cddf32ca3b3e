"""`run --name X` where X exists: the same configuration goes on, another is refused with its differences."""

from __future__ import annotations

from collections.abc import Mapping

from wmse_tui.cli.console import UserError
from wmse_tui.config.diff import Value, differing, flatten, value_text
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import load_configuration


def refuse_other_config(run: RunDirectory, wanted: Experiment) -> None:
    """Raise a UserError that lists the differing options if `run` was made from another configuration."""
    there, now = flatten(load_configuration(run)), flatten(wanted)
    if names := differing(there, now):
        listed = [f"{name}: {_value(there, name)} there, {_value(now, name)} now" for name in names]
        raise UserError(
            f"the run {run.id!r} exists with another configuration",
            "\n".join(listed),
            ("choose another --name", f"continue that run as it is: wmse-tui resume {run.id}"),
        )


def _value(values: Mapping[str, Value], name: str) -> str:
    return value_text(values[name]) if name in values else "-"
