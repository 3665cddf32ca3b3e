"""The tables of docs/reference.md that come from code: `python -m wmse_tui.cli.reference` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import get_args

from wmse_tui.cli.exits import ExitCode

FOLDERS = (
    ("WMSE_TUI_RUNS", "runs", "`$XDG_DATA_HOME/wmse-tui/runs`", "~/.local/share/wmse-tui/runs"),
    ("WMSE_TUI_DATA", "data sets", "`$XDG_DATA_HOME/wmse-tui/data`", "~/.local/share/wmse-tui/data"),
    ("WMSE_TUI_PRESETS", "your presets", "`$XDG_CONFIG_HOME/wmse-tui/presets`", "~/.config/wmse-tui/presets"),
    (
        "WMSE_TUI_SETTINGS",
        "settings of the app (a file)",
        "`$XDG_CONFIG_HOME/wmse-tui/settings.yaml`",
        "~/.config/wmse-tui/settings.yaml",
    ),
    ("WMSE_TUI_CACHE", "caches and tracebacks", "`$XDG_CACHE_HOME/wmse-tui`", "~/.cache/wmse-tui"),
    ("WMSE_TUI_QUEUE", "the queue", "`$XDG_STATE_HOME/wmse-tui/queue`", "~/.local/state/wmse-tui/queue"),
)
"""The variable of each path, what is stored there, its default, and that without XDG variables."""

SETTINGS = {
    "theme": "Colours; `terminal` uses the 16 colours of the terminal.",
    "ascii": "Draw with ASCII only; unset: where the encoding is not UTF-8.",
    "profile": "How often the screen is refreshed; `auto` measures the connection.",
    "mouse": "Whether the app receives mouse events.",
    "keys": "Keys by binding id, as in `quit: ctrl+x`; `?` in the app lists the ids.",
}
"""What each setting of the app does."""


def exit_code_rows() -> Iterator[tuple[str, ...]]:
    """Yield number and meaning of every exit code."""
    yield "exit code", "meaning"
    for code in ExitCode:
        yield str(int(code)), code.sentence


def folder_rows() -> Iterator[tuple[str, ...]]:
    """Yield the environment variable, the content and the default of every path."""
    yield "variable", "path of", "default", "without XDG variables"
    for variable, content, default, plain in FOLDERS:
        yield f"`{variable}`", content, default, f"`{plain}`"


def setting_rows() -> Iterator[tuple[str, ...]]:
    """Yield name, environment variable, values, default and meaning of every setting of the app."""
    from wmse_tui.tui.settings import VARIABLES, Settings

    yield "setting", "variable", "values", "default", "meaning"
    defaults = Settings().model_dump()
    for name, field in Settings.model_fields.items():
        if isinstance(defaults[name], str):
            values = ", ".join(f"`{value}`" for value in get_args(field.annotation))
        else:
            values = "id: keys" if name == "keys" else "`true`, `false`"
        default = "unset" if defaults[name] in (None, {}) else f"`{str(defaults[name]).lower()}`"
        variable = f"`{VARIABLES[name]}`" if name in VARIABLES else ""
        yield f"`{name}`", variable, values, default, SETTINGS[name]


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows, the first of which is the heading, as a Markdown table."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines) + "\n"


def tables() -> dict[str, str]:
    """Return the Markdown of every table by its name."""
    return {
        "exit codes": markdown(list(exit_code_rows())),
        "folders": markdown(list(folder_rows())),
        "settings": markdown(list(setting_rows())),
    }


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables().values()))
