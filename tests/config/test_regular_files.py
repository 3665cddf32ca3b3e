"""What another user may have prepared is opened as a regular file only, and nothing waits for a pipe."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.config.loading import load_experiment, preset_names
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.regular_files import RefusedFile, open_regular
from wmse_tui.tui.charts.image_display import ImageError, read_image
from wmse_tui.tui.settings import Settings, load_settings


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a named pipe": fifo,
    "a socket": unix_socket,
    "a device": device,
    "a folder": Path.mkdir,
}


@pytest.fixture(params=SPECIAL)
def special(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """A path that is no regular file, and its kind."""
    monkeypatch.chdir(tmp_path)  # the path of a socket has few characters
    made = tmp_path / "special.yaml"
    if request.param == "a socket":
        unix_socket(Path("special.yaml"))
    else:
        SPECIAL[request.param](made)
    return made, request.param


def test_what_is_no_regular_file_is_refused_with_its_kind(special: tuple[Path, str]) -> None:
    path, kind = special
    with pytest.raises(RefusedFile, match=kind):
        open_regular(path)


def test_a_configuration_is_a_regular_file(special: tuple[Path, str]) -> None:
    path, kind = special
    with pytest.raises(ConfigError, match=f"cannot be read: {kind}, not a regular file"):
        load_experiment(file=path)


def test_a_preset_is_a_regular_file(special: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, kind = special
    monkeypatch.setenv("WMSE_TUI_PRESETS", str(path.parent))
    assert "special" in preset_names()
    with pytest.raises(ConfigError, match=f"{kind}, not a regular file"):
        load_experiment(preset="special")


def test_settings_are_a_regular_file(special: tuple[Path, str]) -> None:
    path, kind = special
    found = load_settings(path, {})
    assert found.settings == Settings()
    assert kind in found.problems[0]


def test_a_preview_is_a_regular_file(special: tuple[Path, str]) -> None:
    path, kind = special
    with pytest.raises(ImageError, match=kind):
        read_image(path)
