"""What another user may have prepared is opened as a regular file only, and nothing waits for a pipe."""

from __future__ import annotations

import ast
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.config.loading import load_experiment, preset_names
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.regular_files import RefusedFile, open_regular
from wmse_tui.tui.charts.image_display import ImageError, read_image
from wmse_tui.tui.settings import Settings, load_settings

PACKAGE = Path(__file__).parents[2] / "wmse_tui"
OPENING = re.compile(
    r"open|os\.open|.*\.open|.*\.(read_text|read_bytes)|np\.(load|fromfile|memmap)|torch\.load|.*ZipFile"
)
BY_DESIGN = {
    "config/regular_files.py: os.open": "the one way",
    "runs/run_folder.py: os.open": "the one way inside a run",
    "runs/archive.py: folder.open": "inside a run",
    "runs/archive.py: os.open": "checks the kind of the open file itself, and creates files",
    "runs/archive.py: source.open": "inside a run",
    "runs/archive.py: tarfile.open": "of an open file",
    "runs/state/digest.py: folder.open": "inside a run",
    "engine/training/checkpoints.py: folder.open": "inside a run",
    "engine/evaluation/feature_cache.py: folder.open": "inside a run",
    "engine/training/location.py: os.open": "the folder of the own run",
    "runs/state/embedding.py: archive.open": "of bytes",
    "runs/state/embedding.py: np.load": "of bytes",
    "runs/state/embedding.py: zipfile.ZipFile": "of bytes",
    "config/atomic.py: os.open": "creates files, and syncs folders",
    "cli/streams.py: open": "the program's own input, by its descriptor",
    "tui/ending.py: os.open": "the program's own terminal",
    "engine/service/view_previews.py: os.open": "creates a file",
    "engine/data/download.py: open": "by a descriptor of the one way",
    "engine/data/sources/unpack.py: opened.open": "a member of an open archive",
    "engine/data/sources/unpack.py: tarfile.open": "of an open file",
    "engine/data/sources/unpack.py: target.open": "creates files in a private folder",
    "engine/export/features_table.py: path.open": "the output that the user named",
    "engine/export/writers.py: path.open": "the output that the user named",
    "runs/output.py: os.open": "the output that the user named",
    "runs/output.py: path.open": "the output that the user named",
    "publish/publisher.py: self._service.open": "a connection, no file",
    "runs/queue/gpu_slots.py: os.open": "only to share it, and checks the owner of the open file",
    "runs/queue/standby.py: os.open": "checks the kind of the open file itself",
    "runs/queue/tickets.py: os.open": "checks the kind of the open file itself",
}
"""Calls that open files, and why they may do it by themselves."""
OPEN_ALREADY = {"file", "opened", "packed"}
KERNEL = re.compile(
    r"/proc|/sys|/dev|devnull|PROC|stat\b|meminfo|MEMINFO|device|group|membership|STATUS|path\.read_text"
)
"""What opens files of the kernel, or of the package itself."""


def openings() -> set[str]:
    """Calls of the package that open a file by its path."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not OPENING.fullmatch(name := ast.unparse(node.func)):
                continue
            if node.args and ast.unparse(node.args[0]) in OPEN_ALREADY and name != "os.open":
                continue
            if not KERNEL.search(ast.unparse(node)) and "__package__" not in name and name not in OURS:
                found.add(f"{path.relative_to(PACKAGE)}: {name}")
    return found


OURS = {"self.open", "self.query_one(Finder).open", "self.query_one(ImageDisplay).open"}
"""Methods of that name that open no file."""


def test_every_file_is_opened_in_one_way() -> None:
    assert openings() <= set(BY_DESIGN)


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
