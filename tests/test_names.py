"""One name for one thing: classes and modules that share a name share a meaning, and are listed here."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import wmse_tui
from wmse_tui.config.names import unions

PACKAGE = Path(wmse_tui.__file__).parent
METHODS = set(unions()["method"].classes)
SHARED_MODULES = {
    "app": "the app, and the command that opens it",
    "backbone": "its options, and the network",
    "compare": "runs beside each other: table, screen, command",
    "config": "the configuration of a run, and the command for configurations",
    "doctor": "the check of the machine: what torch reports, and the command",
    "errors": "the errors of a package",
    "paper": "the published table: a preset's numbers, the table, the screen",
    "projector": "its options, and the network",
    "run": "a run: its state, and the command that starts one",
    "runs": "all runs: screen and command",
    "slices": "what is whitened together: the rule of its size, and the tensors",
    "start": "starting: a run, and the app",
}


def modules() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.stem.startswith("__"):
            found[path.stem].append(str(path.relative_to(PACKAGE)))
    return found


def test_modules_of_one_name_share_a_meaning() -> None:
    twice = {name: paths for name, paths in modules().items() if len(paths) > 1}
    unexplained = [
        f"{name}: {', '.join(twice[name])}" for name in twice.keys() - METHODS - SHARED_MODULES.keys()
    ]
    assert not unexplained, "\n".join(unexplained)
    assert not SHARED_MODULES.keys() - twice.keys(), "listed, and not twice any more"


def test_no_two_classes_have_one_name() -> None:
    """A method's class has the name of its options' class: `Method` finds it by that."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    methods = {cls.__name__ for cls in unions()["method"].classes.values()}
    twice = [
        f"{name}: {', '.join(paths)}"
        for name, paths in found.items()
        if len(paths) > 1 and name not in methods
    ]
    assert not twice, "\n".join(twice)
