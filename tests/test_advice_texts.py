"""Every command, option, key and value that a text of the program advises exists and is accepted."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from wmse_tui.cli.main import app
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment

ROOT = Path(__file__).parents[1]
GAP = "\N{REPLACEMENT CHARACTER}"
"""In place of what an f-string inserts."""
WITH = (
    ("method.name=intl",),
    ("method.name=s2r2",),
    ("optimizer.name=sgd",),
)
"""Options without which others do not exist."""
EXAMPLES = {
    "dataset.root": "/path",
    "dataset.probe_train": "/path",
    "dataset.probe_test": "/path",
    "schedule.batch_size": "64",
    "compute.device": "cuda:1",
}
"""Values for options whose text leaves them to the reader."""


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """(place, text) of every string in the package that is not a docstring."""
    found = []
    for path in sorted((ROOT / "wmse_tui").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        joined = (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr))
        passed_over = {id(part) for node in joined for part in ast.walk(node)}
        passed_over |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                values = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
                found.append((place, "".join(map(str, values))))
            elif (
                isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over
            ):
                found.append((place, node.value))
    return tuple(found)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(place, words after `wmse-tui`) of the commands in the texts."""
    for place, text in texts():
        for found in re.findall(r"wmse-tui ([a-z][^`;()\n]*)", text):
            yield place, found.split()


def settings() -> Iterator[tuple[str, str, str]]:
    """(place, key, value) of the options that a text sets, such as `--set compute.workers=0`."""
    for place, text in texts():
        for key, value in re.findall(r"\b([a-z]+\.[a-z_]+)=([\w.+-]*\w)?", text):
            yield place, key, value


def test_every_command_and_option_exists() -> None:
    root: Any = typer.main.get_command(app)
    wrong, seen = [], 0
    for place, words in commands():
        if words[0].rstrip(",:") not in root.commands:
            continue  # prose, as in "wmse-tui shows them again"
        seen += 1
        command = root
        for word in words:
            command = getattr(command, "commands", {}).get(word.rstrip(",:"), command)
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        options = {word.partition("=")[0].rstrip(",.") for word in words if word.startswith("--")}
        wrong += [f"{place}: {' '.join(words)}: no option {name}" for name in options - known]
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def refusal(key: str, value: str) -> str:
    """Why no experiment can have the option: its key is unknown, or its value; "": one can."""
    refused = ""
    for others in ((), *WITH):
        try:
            load_experiment(preset="quickstart", overrides=(*others, f"{key}={value}"))
        except ConfigError as error:
            own = [problem for problem in error.problems if problem.path == key]
            refused = "; ".join(p.text() for p in own if "unknown key" in p.text() or "expected" in p.text())
        else:
            return ""
        if not refused:
            return ""
    return refused


def test_every_value_that_is_advised_is_accepted() -> None:
    sections = set(Experiment.model_fields)
    advised = {(key, value): place for place, key, value in settings() if key.partition(".")[0] in sections}
    wrong = [
        f"{place}: {key}={value}: {reason}"
        for (key, value), place in advised.items()
        if (reason := refusal(key, value or EXAMPLES.get(key, "")))
    ]
    assert len(advised) > 20
    assert not wrong, "\n".join(wrong)


def test_every_extra_that_is_to_be_installed_exists() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = {extra for _, text in texts() for extra in re.findall(r"wmse-tui\[(\w+)\]", text)}
    assert named <= extras
