"""Run directories: made whole and private, or not at all."""

from __future__ import annotations

import errno
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.directory import RunDirectory, check_name, create_run
from wmse_tui.runs.errors import BadRunName, RunExists, StorageError
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.identity import read_trainer, write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.queue.gpu_slots import DeviceRequest, make_folders
from wmse_tui.runs.queue.tickets import write_ticket
from wmse_tui.runs.run_folder import append_to_file


def test_a_run_holds_its_configuration_and_its_folders(root: Path) -> None:
    run = create_run(root, "title: x\n", name="a-run_1.2")
    assert run == RunDirectory(root.resolve() / "a-run_1.2")
    assert run.config.read_text() == "title: x\n"
    assert run.is_run()
    assert not run.events.exists()
    assert sorted(entry.name for entry in run.path.iterdir()) == [
        "artifacts", "checkpoints", "config.yaml", "control", "evaluations"
    ]  # fmt: skip


def test_an_id_is_made_of_the_hint_and_the_time_and_never_given_twice(root: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: create_run(root, "", preset_hint="stl10"), range(24)))
    assert len({run.id for run in runs}) == 24
    assert all(re.fullmatch(r"stl10-\d{8}-\d{6}(-\d+)?", run.id) for run in runs)


@pytest.mark.parametrize(
    ("hint", "begins"),
    [("", "run-"), ("../etc/passwd", "etc-passwd-"), ("my preset!", "my-preset-"), ("é", "run-")],
)
def test_any_hint_gives_a_valid_id(root: Path, hint: str, begins: str) -> None:
    run = create_run(root, "", preset_hint=hint)
    assert run.id.startswith(begins)
    assert run.path.parent == root.resolve()
    check_name(run.id)


def test_a_name_that_is_taken_is_refused_with_the_way_on(run: RunDirectory) -> None:
    with pytest.raises(RunExists) as caught:
        create_run(run.path.parent, "other", name="little")
    assert str(caught.value) == f"there is a run named little already: {run.path}"
    assert caught.value.next == ("continue it: wmse-tui resume little", "choose another --name")
    assert "A little run" in run.config.read_text()


def test_another_users_run_of_that_name_is_not_to_be_continued(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(RunExists, match="which is another user's") as caught:
        create_run(run.path.parent, "other", name="little")
    assert caught.value.next == ("choose another --name",)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "-rf", "a/b", "/etc", "a\0b", "a b", "a\n", "x" * 65, "naïve", "r\u2024x"],
)
def test_a_name_that_could_mislead_is_refused(root: Path, name: str) -> None:
    with pytest.raises(BadRunName, match="cannot name a run: a name has 1 to 64 letters"):
        create_run(root, "", name=name)
    assert not root.exists()


def test_last_is_no_name(root: Path) -> None:
    with pytest.raises(BadRunName, match="a run cannot be named last: that name means the newest run"):
        create_run(root, "", name="last")


@given(name=st.text(max_size=80))
def test_any_text_names_a_run_inside_the_root_or_is_refused(name: str) -> None:
    try:
        check_name(name)
    except BadRunName as error:
        assert str(error).isprintable()  # noqa: PT017 (either outcome is right)
    else:
        assert Path("/root/of/runs", name).resolve().parent == Path("/root/of/runs").resolve()
        assert name.isascii()


@pytest.mark.usefixtures("no_umask")
def test_everything_in_a_run_is_private_whatever_the_umask(root: Path) -> None:
    run = create_run(root, "title: x\n", name="private")
    with RunLock(run):
        EventWriter(run.events).close()
        write_trainer(run, attempt=1)
        request(run, "stop")
        append_to_file(run.trainer_log).close()
    modes = {
        path.relative_to(root).as_posix(): path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")]
    }
    files = {name for name in modes if (root / name).is_file()}
    assert {
        "private/events.jsonl",
        "private/trainer.lock",
        "private/trainer.json",
        "private/trainer.log",
    } < files
    assert {
        name: oct(mode) for name, mode in modes.items() if mode != (0o600 if name in files else 0o700)
    } == {}


@pytest.mark.usefixtures("no_umask")
def test_the_queue_and_the_folders_above_it_are_private_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMSE_TUI_QUEUE", str(tmp_path / "data" / "wmse-tui" / "queue"))
    make_folders()
    made = [path for path in (tmp_path / "data").rglob("*") if path.is_dir()]
    assert sorted(path.name for path in made) == ["queue", "slots", "wmse-tui"]
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "data", *made)} == {oct(0o700)}


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot make the run directory: .*/file is no directory"):
        create_run(tmp_path / "file", "")
    with pytest.raises(StorageError, match=r"cannot make the run directory: .*: Not a directory"):
        create_run(tmp_path / "file" / "runs", "")


def test_a_run_that_cannot_be_finished_leaves_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wmse_tui.config.atomic.os.fsync", full)
    with pytest.raises(StorageError, match=r"cannot fill the run directory: .*: No space left on device"):
        create_run(root, "title: x\n", name="half")
    assert list(root.iterdir()) == []


@pytest.fixture
def no_chmod(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses modes: CIFS, exFAT, gcsfuse."""

    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "chmod", refuse)


@pytest.mark.usefixtures("no_chmod")
def test_a_file_system_that_refuses_modes_holds_runs(root: Path) -> None:
    run = create_run(root, "title: x\n", name="a")
    assert run.is_run()
    assert run.path.stat().st_mode & 0o777 == 0o700, "mkdir has made it private"


def test_a_folder_whose_name_is_not_utf8_holds_runs(tmp_path: Path) -> None:
    run = create_run(Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9sultats")), "", name="a")
    with mock.patch.object(sys, "argv", ["engine", str(run.path)]):
        written = write_trainer(run, attempt=1)
    assert read_trainer(run) == written
    assert written.argv[1].endswith("r\\xe9sultats/a")
    assert request(run, "stop")
    with pytest.raises(StorageError, match="a run in a folder whose name is not UTF-8 cannot be queued"):
        write_ticket(run, DeviceRequest(("machine",)))
