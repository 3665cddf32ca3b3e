"""Reading a configuration file from disk, so that every way it can fail is a `ConfigError`."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.config.layers import Layer, with_absolute_folders
from wmse_tui.config.problems import ConfigError, Problem, shown
from wmse_tui.config.yaml import MAX_BYTES, read_yaml


def read_layer(path: Path, source: str) -> tuple[Layer, str | None]:
    """A file's layer, and the name of the preset that it `extends`; relative folders in it start beside it.

    Raises:
        ConfigError: the file cannot be read, is no text, or is no configuration.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise ConfigError(
            [Problem("", f"cannot be read: {error.strerror or error}", source=source)]
        ) from None
    except UnicodeDecodeError as error:
        message = f"is no UTF-8 text (byte {error.start})"
        raise ConfigError(
            [Problem("", message, line=raw.count(b"\n", 0, error.start) + 1, source=source)]
        ) from None
    document = read_yaml(text, source)
    values = with_absolute_folders(document.values, path.parent)
    base = values.pop("extends", None)
    if base is not None and not isinstance(base, str):
        message, line = f"expected the name of a preset, got {shown(base)}", document.lines["extends"]
        raise ConfigError([Problem("extends", message, line=line, source=source)])
    return Layer(values, source, document.lines), base
