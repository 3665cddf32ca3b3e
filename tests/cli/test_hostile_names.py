"""Run directories whose names have line breaks: one name stays in one line, whatever is printed of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wmse_tui.cli.console import error_lines
from wmse_tui.runs.directory import RunDirectory

Cli = Callable[..., Result]
NAME = "a\n-> FORGED\r\nFORGED\x1b[31m\u2028FORGED"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("runs",),
    ("queue",),
    ("show", "none"),
    ("show", "a"),
    *((command, NAME) for command in ("show", "logs", "attach", "stop", "resume", "eval", "rm")),
    *(("resume", NAME, option) for option in ("--detach", "--queue")),
    *(("tag", NAME, tag) for tag in ("t", NAME)),
    *(("compare", NAME, other) for other in ("plain", NAME)),
    ("queue", "hold", NAME),
    ("config", "validate", NAME),
    ("presets", "show", NAME),
    ("run", "--preset", NAME),
    ("run", "--config", NAME),
    ("run", "--preset", "quickstart", "--name", NAME),
    ("run", "--preset", "quickstart", "--set", f"{NAME}=1"),
    ("run", "--preset", "quickstart", "--after", NAME, "--queue"),
)


@pytest.fixture
def named(make_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two completed runs, one of which another user has named."""
    run = make_run("plain")
    shutil.copytree(run.path, run.path.parent / NAME)
    shutil.copytree(run.path, run.path.parent / f"{NAME}2")  # no unique beginning
    return run.path.parent


@pytest.mark.usefixtures("occupied_slot")  # what is queued trains nothing
@pytest.mark.parametrize(
    "words", COMMANDS, ids=lambda words: " ".join(words).encode("unicode_escape").decode()
)
def test_a_name_adds_no_line_to_what_is_printed(cli: Cli, named: Path, words: tuple[str, ...]) -> None:
    result = cli(*words)
    for line in (result.stdout + result.stderr).splitlines():
        assert not line.lstrip().removeprefix("-> ").startswith("FORGED"), result.output
    assert "\x1b[31m" not in result.output


def test_names_for_scripts_are_exact_in_json(cli: Cli, named: Path) -> None:
    rows = json.loads(cli("runs", "--json").stdout)
    assert {row["run_id"] for row in rows} == {"plain", NAME, f"{NAME}2"}


def test_what_to_do_is_named_by_this_program_alone() -> None:
    lines = error_lines("no\nFORGED", "there\n-> FORGED\n  -> FORGED", ("step\nFORGED",))
    assert lines == ["no FORGED", "  there", "  | -> FORGED", "  |   -> FORGED", "  -> step FORGED"]
