"""Where files are opened by path, and why there: those of a run are opened by `runs/run_folder.py` alone."""

from __future__ import annotations

import ast
from pathlib import Path

import wmse_tui

PACKAGE = Path(wmse_tui.__file__).parent
METHODS = frozenset(
    [
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "unlink",
        "touch",
        "chmod",
        "rmdir",
        "symlink_to",
        "hardlink_to",
        "iterdir",
        "glob",
        "rglob",
        "open_regular",
        "open_descriptor",
        "append_private",
        "publish",
        "replacing",
    ]
)
"""Of `Path`, and our own functions for files that belong to no run."""
OF_OS = frozenset(
    [
        "open",
        "remove",
        "unlink",
        "rename",
        "replace",
        "link",
        "symlink",
        "truncate",
        "utime",
        "chmod",
        "chown",
        "mkfifo",
        "mknod",
        "rmdir",
        "removedirs",
        "listdir",
        "scandir",
        "walk",
        "fwalk",
    ]
)
OF_OTHERS = {
    "shutil": frozenset(["rmtree", "copyfile", "copy", "copy2", "copytree", "move"]),
    "tarfile": frozenset(["open"]),
    "zipfile": frozenset(["ZipFile"]),
    "np": frozenset(["load", "save", "savez", "memmap"]),
    "torch": frozenset(["load", "save"]),
    "tempfile": frozenset(["NamedTemporaryFile", "TemporaryDirectory", "mkdtemp", "mkstemp"]),
}

NOT_OF_RUNS = {
    "config": "presets, settings, and the functions that the others are made of",
    "engine/data": "images",
    "engine/profiling": "figures of the system; published archives of images",
    "engine/service": "its own temporary folder",
    "engine/benchmark": "its own temporary folder",
    "publish": "tables and event files in the folder that the user named",
    "engine/export": "the file or folder that the user named",
    "cli/checks": "figures of the system; a temporary folder",
}
"""Folders in which no file of a run is opened but by `run_folder`."""

LISTED = {
    "runs/run_folder.py": "the one way",
    "runs/output.py": "the file that the user named for an export",
    "runs/archive.py": "the archive that the user named, and a new folder that becomes the run",
    "runs/directory.py": "the run that could not be finished, which this process has just made",
    "runs/process/removal.py": "the run that is removed: renamed, then deleted without following links",
    "runs/process/identity.py": "/proc",
    "runs/process/lock.py": "/proc",
    "runs/process/control_groups.py": "/proc and /sys",
    "runs/queue/tickets.py": "tickets, which belong to the queue",
    "runs/queue/enqueue.py": "the ticket that this process has just made",
    "runs/queue/gpu_slots.py": "the folder of the queue, its mode",
    "runs/queue/standby.py": "locks, opened alike by a program that imports little; the mark of its own run",
    "runs/queue/waiter.py": "the time of an open lock",
    "runs/table/catalogue.py": "the names in the folder of runs",
    "runs/table/index.py": "the names in the folder of runs",
    "runs/table/paper.py": "shipped presets",
    "engine/doctor.py": "/proc, /sys and /dev",
    "engine/main_memory.py": "/proc",
    "engine/jsonl.py": "/dev/null",
    "engine/training/location.py": "the run's directory itself, to follow it when it is moved",
    "engine/distribution/main_thread.py": "/proc",
    "engine/training/resources.py": "/proc",
    "engine/training/session.py": "whether the folder of checkpoints is there",
    "engine/training/gpu_users.py": "/proc",
    "engine/training/checkpoints.py": "files that `run_folder` has opened",
    "engine/evaluation/embedding_map.py": "bytes in memory",
    "engine/evaluation/feature_cache.py": "files that `run_folder` has opened",
    "runs/state/embedding.py": "bytes in memory that `run_folder` has read",
    "cli/streams.py": "standard streams, /dev/null",
    "cli/engine_command.py": "temporary files",
    "cli/exception_handler.py": "a report of a crash, in the cache folder; /dev/null",
    "tui/crash.py": "a report of a crash, in the cache folder",
    "tui/ending.py": "the terminal, /dev/null",
    "tui/app.py": "whether the folder of runs is empty",
    "tui/settings.py": "the user's settings",
    "tui/saved_state.py": "what the screens show, in the state folder",
    "tui/path_completion.py": "the names in the folder whose path is being typed",
    "tui/screenshot.py": "a screenshot in the current folder",
    "tui/charts/image_display.py": "a preview that the app's own service has written",
}
"""Modules outside those folders that open, list or change something by path, and what."""


def calls_by_path(path: Path) -> list[str]:
    """The calls in a module that open, list or change files by path, with their lines."""
    return [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and (name := _opens(node))
    ]


def _opens(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id if function.id in {"open", *METHODS} else ""
    if not isinstance(function, ast.Attribute):
        return ""
    name, owner = function.attr, function.value.id if isinstance(function.value, ast.Name) else ""
    if owner == "os":
        return f"os.{name}" if name in OF_OS else ""
    if owner in OF_OTHERS:
        return f"{owner}.{name}" if name in OF_OTHERS[owner] else ""
    a_mode = (
        bool(call.args) and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    )
    if name == "open" and a_mode and owner != "self":
        return "Path.open"
    if name in ("rename", "replace") and len(call.args) == 1 and not call.keywords:
        return f"Path.{name}"
    return f".{name}" if name in METHODS and name != "publish" else ""  # `publish`: a method of RunFolder


def listed(path: Path) -> bool:
    name = path.relative_to(PACKAGE).as_posix()
    return name in LISTED or any(name.startswith(f"{folder}/") for folder in NOT_OF_RUNS)


def test_what_belongs_to_a_run_is_opened_in_one_way() -> None:
    unlisted = [
        call for path in sorted(PACKAGE.rglob("*.py")) if not listed(path) for call in calls_by_path(path)
    ]
    assert not unlisted, (
        "open files of a run with wmse_tui/runs/run_folder.py; list here a module that opens others:\n"
        + "\n".join(unlisted)
    )


def test_each_listed_module_opens_something() -> None:
    idle = [name for name in LISTED if not (PACKAGE / name).exists() or not calls_by_path(PACKAGE / name)]
    assert not idle, f"listed, and they open nothing: {', '.join(idle)}"


def test_the_scan_finds_each_kind() -> None:
    source = """
open(path)
path.open("rb")
os.open(path, flags)
path.read_text()
path.replace(other)
shutil.rmtree(path)
np.load(path)
text.replace("a", "b")
os.path.join(a, b)
"""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    assert [name for call in calls if (name := _opens(call))] == [
        "open", "Path.open", "os.open", ".read_text", "Path.replace", "shutil.rmtree", "np.load"
    ]  # fmt: skip
