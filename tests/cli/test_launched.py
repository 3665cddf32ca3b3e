"""`run` and `resume` that a launcher has started as several processes: each is a rank of one run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import Result

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process import launch

Cli = Callable[..., Result]
MakeRun = Callable[..., RunDirectory]
RUN = ("run", "--preset", "quickstart", "--set", "compute.device=cpu")


BECAME = 99
"""Exit code in place of the process that this one becomes."""


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that the process became instead of going on."""
    commands: list[list[str]] = []

    def execv(_: str, command: list[str]) -> NoReturn:
        commands.append(command)
        raise SystemExit(BECAME)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setenv("WORLD_SIZE", "2")
    return commands


def test_another_rank_than_the_first_waits_for_the_run_and_makes_none(
    cli: Cli, become: list[list[str]], make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    stopped, completed = make_run("stopped", upto=3), make_run("done")
    for words, run in (
        ((*RUN, "--name", "mine", "--headless"), tmp_path / "runs" / "mine"),
        (("resume", "stopped", "--headless"), stopped.path),
    ):
        result = cli(*words)
        assert result.exit_code == BECAME
        assert result.stderr == f"rank 1 of 2 of {run.name}\n"
        assert become.pop()[-2:] == ["wmse_tui.engine", str(run)]
    assert not (tmp_path / "runs" / "mine").exists()
    assert cli("resume", completed.id, "--headless").exit_code == 0
    assert become == []


def test_the_first_rank_starts_a_trainer_that_is_one_of_several(
    cli: Cli, become: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "0")
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "rank $RANK of $WORLD_SIZE"\n')
    python.chmod(0o700)
    launch_trainer = launch.launch_trainer

    def started(run: RunDirectory, **options: Any) -> Any:
        process = launch_trainer(run, python=python, **options)
        process.wait()
        (tmp_path / "printed").write_bytes(run.trainer_log.read_bytes())
        return process

    monkeypatch.setattr(launch, "launch_trainer", started)
    cli(*RUN, "--name", "mine", "--headless")
    assert (tmp_path / "printed").read_text() == "rank 0 of 2\n"
    assert become == []


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize(
    ("more", "text"),
    [
        ((), "WORLD_SIZE has started 2 processes, and the run has no name"),
        (("--name", "mine", "--queue"), "has started 2 processes: they are the ranks of the run"),
        (("--name", "mine", "--detach"), "has started 2 processes: they are the ranks of the run"),
    ],
)
def test_what_ranks_cannot_do_together_is_refused_by_each(
    cli: Cli,
    become: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    rank: str,
    more: tuple[str, ...],
    text: str,
) -> None:
    monkeypatch.setenv("RANK", rank)
    result = cli(*RUN, *more)
    assert result.exit_code == 2
    assert text in result.stderr
    assert become == []
