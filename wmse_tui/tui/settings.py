"""The user's settings of the app: one small YAML file, and environment variables that override it.

A file that cannot be used never keeps the app from starting: the settings it does not give keep their
defaults, and the app shows what is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wmse_tui.config.problems import ConfigError, did_you_mean
from wmse_tui.config.regular_files import open_regular
from wmse_tui.config.yaml import MAX_BYTES, read_yaml
from wmse_tui.runs.queue.slurm import JobOptions, read_options

VARIABLES = {
    "theme": "WMSE_TUI_THEME",
    "ascii": "WMSE_TUI_ASCII",
    "profile": "WMSE_TUI_PROFILE",
    "mouse": "WMSE_TUI_MOUSE",
}
_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class SlurmSettings(BaseModel):
    """What every job is submitted with."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    options: dict[str, str | int] = Field(default_factory=dict)
    setup: list[str] = Field(default_factory=list)

    def job_options(self, texts: Iterable[str]) -> JobOptions:
        """These options, and over them those of a command line or a dialog.

        Raises:
            SchedulerError: one of them is no option, or not the user's to set.
        """
        return JobOptions(read_options(texts, self.options), tuple(self.setup))


class Settings(BaseModel):
    """The appearance and behaviour of the app for this user."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    theme: Literal["dark", "light", "terminal"] = Field(
        "dark", description="Colours; `terminal` uses the 16 colours of the terminal."
    )
    ascii: bool | None = Field(
        None, description="Draw with ASCII only; without it, where the encoding is not UTF-8."
    )
    profile: Literal["auto", "local", "slow"] = Field(
        "auto", description="How often the screen is redrawn; `auto` is `slow` over SSH, else `local`."
    )
    mouse: bool = Field(True, description="Whether the app receives mouse events.")
    notices: bool = Field(
        True, description="Whether a message reports when a run ends, fails, diverges or stalls."
    )
    bell: bool = Field(True, description="Whether the bell rings then.")
    notifications: Literal["off", "osc9", "osc777"] = Field(
        "off",
        description="Whether the terminal is asked to show it outside of itself, and by which sequence: "
        "osc9 (iTerm2, Windows Terminal, kitty, WezTerm, Ghostty) or osc777 (rxvt, foot, Ghostty). tmux "
        "needs `set -g allow-passthrough on`; with `all` also windows that are not in front may notify.",
    )
    keys: dict[str, str] = Field(
        default_factory=dict, description="Keys by binding id, as in `quit: ctrl+x`; see Keys."
    )
    slurm: SlurmSettings = Field(
        default_factory=SlurmSettings,
        description="Options of `sbatch` and lines for the shell of every job of `--slurm`, as in "
        "`{options: {partition: gpu}, setup: [module load cuda]}`.",
    )


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and a sentence for each thing in file or environment that could not be used."""

    settings: Settings
    problems: tuple[str, ...] = ()


def load_settings(file: Path, environ: Mapping[str, str] = os.environ) -> LoadedSettings:
    """The settings of `file` (which need not exist) with those of the environment on them."""
    values, problems = _read(file)
    sources = dict.fromkeys(values, str(file))
    for name, variable in VARIABLES.items():
        text = environ.get(variable, "")
        if text:
            values[name] = _BOOLEANS.get(text.lower(), text) if name in ("ascii", "mouse") else text
            sources[name] = variable
    while True:
        try:
            return LoadedSettings(Settings.model_validate(values), tuple(problems))
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                name = str(fault["loc"][0])
                if name in values:
                    problems.append(_sentence(sources[name], name, values.pop(name), fault["msg"]))


def _read(file: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        with open_regular(file) as opened:
            text = opened.read(MAX_BYTES + 1).decode()
        if not text.strip():
            return {}, []
        return dict(read_yaml(text, str(file)).values), []
    except FileNotFoundError:
        return {}, []
    except ConfigError as error:
        return {}, [f"settings are ignored: {problem.text()}" for problem in error.problems]
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"settings are ignored: {file}: {error}"]


def _sentence(source: str, name: str, value: object, complaint: str) -> str:
    if name not in Settings.model_fields:
        known = "known: " + ", ".join(Settings.model_fields)
        return f"{source}: no such setting {name!r}; {did_you_mean(name, Settings.model_fields) or known}"
    return f"{source}: {name}: {complaint[:1].lower()}{complaint[1:]}, got {value!r}; the default is used"
