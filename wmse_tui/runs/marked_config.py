"""The configuration file of a run, marked where it differs from its preset."""

from __future__ import annotations

from dataclasses import dataclass

from wmse_tui.config.diff import Value, differing, flatten
from wmse_tui.config.loading import find_preset
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.yaml import MAX_BYTES, read_yaml, write_yaml
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import open_file
from wmse_tui.runs.state.config import read_configuration, summarise
from wmse_tui.runs.text.sanitize import safe


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """A sanitised line of the file, and the value in the preset ("": the same)."""

    text: str
    preset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedConfig:
    """The lines of a `config.yaml`.

    Attributes:
        note: one sentence: how many options differ from which preset, or why that is unknown.
    """

    lines: tuple[ConfigLine, ...] = ()
    note: str = ""


def read_marked_config(run: RunDirectory) -> MarkedConfig:
    """The configuration of `run`; never raises for what is in the file, or for its absence."""
    try:
        with open_file(run.config) as file:
            content = file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        return MarkedConfig(note=f"config.yaml cannot be read: {error.strerror or error}")
    texts = tuple(safe(line, 500) for line in content.splitlines())
    plain = tuple(map(ConfigLine, texts))
    found = read_configuration(run)
    if found.experiment is None:
        return MarkedConfig(lines=plain, note=safe(found.problem, 300))
    preset = summarise(run.config).preset
    if not preset:
        return MarkedConfig(lines=plain, note="It was not made from a preset.")
    name = safe(preset, 60)
    try:
        reference = flatten(find_preset(preset).experiment)
        places = read_yaml(content, "config.yaml").lines
    except ConfigError as error:
        return MarkedConfig(lines=plain, note=f"Preset {name} cannot be read now: {safe(str(error), 200)}")
    marks = _marks(flatten(found.experiment), reference)
    marked = list(plain)
    for option, there in marks.items():
        line = places.get(option) or places.get(option.partition(".")[0])
        if line is not None and line <= len(marked):
            before = marked[line - 1]
            also = f"{before.preset}, " if before.preset else ""
            marked[line - 1] = ConfigLine(before.text, f"{also}{there}")
    differ = "differs" if len(marks) == 1 else "differ"
    many = "Nothing differs" if not marks else f"{len(marks)} of its options {differ}"
    return MarkedConfig(lines=tuple(marked), note=f"{many} from preset {name}.")


def _marks(run: dict[str, Value], preset: dict[str, Value]) -> dict[str, str]:
    """The preset's value of each option in which the two differ; options only one of them has included."""
    names = differing(run, preset)
    return {
        name: _shown(preset[name]) if name in preset else f"{name.rpartition('.')[2]} is not in the preset"
        for name in names
        if name in run
    } | {name: f"{name.rpartition('.')[2]}: {_shown(preset[name])}" for name in names if name not in run}


def _shown(value: Value) -> str:
    plain = list(value) if isinstance(value, tuple) else value
    return safe(write_yaml({"x": plain}).removeprefix("x:").strip(), 60)
