"""Run directories that somebody has prepared: every name in one, as every kind of file, for every command.

Whatever a directory holds, a command ends in time and in little memory, reports an error as text, and changes
nothing outside.
"""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import pytest
import typer
from prepared_runs import KINDS, NAMES, bounded, outside_of_runs, prepare_run, put, snapshot
from typer.main import get_command
from typer.testing import Result

from wmse_tui.config.problems import ExplainedError
from wmse_tui.publish.__main__ import main as publish
from wmse_tui.runs.directory import FOLDERS, RunDirectory
from wmse_tui.runs.process.interpreter import interpreter_command
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.table.index import RunIndex

Cli = Callable[..., Result]
FOLLOWER = interpreter_command("wmse_tui.publish")
MakeRun = Callable[..., RunDirectory]
Prepare = Callable[..., RunDirectory]


@pytest.fixture(scope="module", autouse=True)
def _put_together_once() -> Iterator[None]:
    """The command line is put together once: these are hundreds of commands."""
    with mock.patch("typer.testing._get_command", functools.cache(get_command)):
        yield


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    return outside_of_runs(tmp_path)


@pytest.fixture
def prepare(make_run: MakeRun, outside: Path) -> Prepare:
    """Makes a run that has something of a kind in the place of a name; `upto` as for `make_run`."""

    def prepared(kind: str, name: str, *, upto: int | None = None) -> RunDirectory:
        run = make_run(f"{kind}-{Path(name).name.strip('.')}".replace(" ", "-"), upto=upto)
        return prepare_run(run, kind, outside, name)

    return prepared


def reading(run: RunDirectory) -> list[tuple[str, ...]]:
    return [
        ("runs",),
        ("show", run.id),
        ("show", run.id, "--json"),
        ("logs", run.id),
        ("compare", run.id, run.id),
        ("tag", run.id),
        ("attach", run.id, "--headless"),
        ("queue",),
    ]


def changing(run: RunDirectory) -> list[tuple[str, ...]]:
    return [
        ("tag", run.id, "seen", "--note", "a note"),
        ("queue", "hold", run.id),
        ("queue", "cancel", run.id),
        ("queue", "again", run.id),
        ("stop", run.id),
        ("stop", run.id, "--no-wait"),
        ("resume", run.id, "--detach"),
        ("resume", run.id, "--queue"),
        ("eval", run.id, "--device", "cpu"),
        ("follow", run.id, "--to", "csv", "--once"),
        ("rm", run.id, "--yes"),
    ]


def leaving(run: RunDirectory, folder: Path) -> list[tuple[str, ...]]:
    """What copies a run, or a part of it, to somewhere else: each writes below `folder`."""
    return [
        ("report", run.id, "-o", str(folder / "report.html"), "--force"),
        ("report", run.id, run.id, "-f", "markdown", "-o", "-"),
        ("export", run.id, "-f", "archive", "-o", str(folder / "run.tar"), "--force"),
        ("export", run.id, "-f", "safetensors", "-o", str(folder / "weights"), "--force"),
        ("follow", run.id, "--to", f"csv:dir={folder / 'tables'}", "--once"),
    ]


def ended_as_text(cli: Cli, arguments: tuple[str, ...]) -> str:
    """Run a command within its bounds; the error of one that refused."""
    with bounded():
        result = cli(*arguments)
    assert result.exit_code in (0, 1, 2, 4, 73), (arguments, result.output)
    assert "Traceback" not in result.output, (arguments, result.output)
    if result.exit_code in (1, 2):
        assert result.output.strip(), arguments
    return result.output


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command starts ends at once; evaluations are tried where they are computed."""
    import wmse_tui.cli.commands.evaluate
    import wmse_tui.cli.commands.export
    import wmse_tui.cli.start.start

    def queued(run: RunDirectory, **options: Any) -> Any:
        return enqueue(run, python="/bin/true", **options)

    for module in (wmse_tui.cli.commands.evaluate, wmse_tui.cli.commands.export):
        monkeypatch.setattr(module, "run_engine_command", lambda *_, **__: 0)

    def replaced_by(program: str, command: list[str]) -> NoReturn:
        assert command[: len(FOLLOWER)] == [program, *FOLLOWER[1:]]
        raise typer.Exit(publish(*command[len(FOLLOWER) :]))

    monkeypatch.setattr(os, "execv", replaced_by)
    monkeypatch.setattr(
        "wmse_tui.runs.process.launch.launch_trainer", functools.partial(launch_trainer, python="/bin/true")
    )
    monkeypatch.setattr(wmse_tui.cli.start.start, "enqueue", queued)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_ends_in_time_and_touches_nothing(
    cli: Cli, prepare: Prepare, outside: Path, kind: str
) -> None:
    runs = [prepare(kind, name) for name in NAMES]
    before = snapshot(outside)
    with bounded():
        RunIndex(runs[0].path.parent).refresh()
    for run in runs:
        for arguments in reading(run)[1:]:
            ended_as_text(cli, arguments)
    ended_as_text(cli, reading(runs[0])[0])
    assert snapshot(outside) == before


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("kind", KINDS)
def test_leaving_ends_in_time_and_takes_nothing_from_outside(
    cli: Cli, prepare: Prepare, outside: Path, tmp_path: Path, kind: str
) -> None:
    names = (*NAMES, "followers", "followers/csv", "followers/csv.json")
    runs = [prepare(kind, name) for name in names]
    before = snapshot(outside)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for run in runs:
        for arguments in leaving(run, elsewhere):
            ended_as_text(cli, arguments)
        assert snapshot(outside) == before, run.id
    for path in elsewhere.rglob("*"):
        assert path.is_dir() or path.is_file()
        assert path.is_symlink() is False
        assert path.is_dir() or b"precious" not in path.read_bytes(), path


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("hard link", "foreign")])
def test_what_is_imported_is_a_plain_file(cli: Cli, outside: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "run.tar"
    put(kind, file, outside / "project" / "victim")
    before = snapshot(outside)
    assert ended_as_text(cli, ("import", str(file)))
    assert snapshot(outside) == before


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize("kind", KINDS)
def test_changing_ends_in_time_and_touches_nothing_outside(
    cli: Cli, prepare: Prepare, outside: Path, kind: str
) -> None:
    runs = [prepare(kind, name, upto=10) for name in NAMES]
    before = snapshot(outside)
    for run in runs:
        for arguments in changing(run):
            ended_as_text(cli, arguments)
            assert snapshot(outside) == before, (run.id, arguments)
    gc.collect()  # of the processes that were started
    if kind != "hard link":
        assert not (outside / "project" / "not-there").exists()


@pytest.mark.usefixtures("no_processes")
def test_no_command_changes_a_run_through_a_link(cli: Cli, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("real", upto=10)
    elsewhere = tmp_path / "elsewhere" / "far"
    elsewhere.parent.mkdir()
    run.path.rename(elsewhere)
    link = run.path.parent / "near"
    link.symlink_to(elsewhere)
    before = snapshot(elsewhere)
    for name in ("near", "far", "last", str(link)):
        shown = cli("show", name)
        assert (shown.exit_code, "far" in shown.stdout) == (0, True)
        for command in (
            ("rm", name, "--yes"),
            ("tag", name, "x"),
            ("stop", name),
            ("resume", name, "--detach"),
            ("follow", name, "--to", "csv", "--once"),
        ):
            result = cli(*command)
            assert result.exit_code == 1, command
            assert "this is a link to a directory, not a run" in result.stderr
            assert f"name the directory itself: {elsewhere}" in result.stderr
    assert snapshot(elsewhere) == before
    assert link.is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of other users")
@pytest.mark.usefixtures("no_processes")
def test_no_command_changes_a_run_of_another_user(cli: Cli, make_run: MakeRun) -> None:
    run = make_run("theirs", upto=10)
    for path in (run.path, *run.path.rglob("*")):
        os.chown(path, 1234, 1234)
    before = snapshot(run.path)
    for arguments in changing(run):
        result = cli(*arguments)
        if arguments[0] != "eval":
            assert result.exit_code == 1, arguments
            assert "the run theirs is not yours to change" in result.stderr, arguments
            assert "it belongs to user 1234; you are user root (0)" in result.stderr
    for arguments in reading(run):
        assert cli(*arguments).exit_code in (0, 1, 4), arguments
    assert snapshot(run.path) == before


def test_what_is_refused_is_explained(prepare: Prepare) -> None:
    for name in FOLDERS:
        with pytest.raises(ExplainedError) as caught:
            launch_trainer(prepare("link", name))
        assert caught.value.detail.endswith(f"{name}: a link, not a folder")
        assert caught.value.next
