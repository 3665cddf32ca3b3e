"""Whether a run that exists was made from the configuration that is wanted.

Apart from `config.py`, which a list of runs imports, because this needs the schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from wmse_tui.config.diff import Value, differing, flatten, value_text
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import OtherConfiguration
from wmse_tui.runs.state.config import load_configuration


def require_same_configuration(run: RunDirectory, wanted: Experiment) -> None:
    """Check that `run` was made from `wanted`, in all options.

    Raises:
        OtherConfiguration: some differ; the detail lists them.
        ConfigError: its configuration is damaged.
    """
    there, now = flatten(load_configuration(run)), flatten(wanted)
    if names := differing(there, now):
        listed = [f"{name}: {_value(there, name)} there, {_value(now, name)} now" for name in names]
        raise OtherConfiguration(
            f"the run {run.id!r} exists with another configuration",
            "\n".join(listed),
            next=("choose another --name", f"continue that run as it is: wmse-tui resume {run.id}"),
        )


def _value(values: Mapping[str, Value], name: str) -> str:
    return value_text(values[name]) if name in values else "-"
