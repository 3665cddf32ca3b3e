"""A run is removed with everything in it, and only when no process needs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

import pytest
from faults import Fault as FileFault
from faults import Faults

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import LocksUnsupported, NotARun, RunBusy
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.removal import bytes_of, remove_run


def test_a_run_is_removed_with_all_that_is_in_it(run: RunDirectory) -> None:
    (run.checkpoints / "final.pt").write_bytes(b"weights")
    request(run, "stop")
    remove_run(run)
    assert list(run.path.parent.iterdir()) == []


def test_a_run_that_is_being_trained_stays(run: RunDirectory, spawn: Callable[..., Popen[str]]) -> None:
    with RunLock(run):
        write_trainer(run, attempt=1)
        with pytest.raises(RunBusy) as caught:
            remove_run(run)
    assert str(caught.value).startswith(f"run little is being trained already: by process {os.getpid()} on ")
    assert run.is_run()


def test_without_locks_a_living_trainer_protects_its_run(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("wmse_tui.runs.process.lock.fcntl.F_OFD_SETLK")
    write_trainer(run, attempt=1)
    with pytest.raises(RunBusy, match="run little seems to be training: process"):
        remove_run(run)
    run.trainer_json.unlink()
    with pytest.raises(LocksUnsupported), RunLock(run):
        pass
    remove_run(run)
    assert not run.path.exists()


def test_nothing_of_a_run_is_open_while_it_is_removed(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS and FUSE keep a removed file that is open, under another name, and so its folder."""
    rmtree, opened = shutil.rmtree, []

    def remove(path: Path) -> None:
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                opened.append(descriptor.readlink())
        rmtree(path)

    monkeypatch.setattr(shutil, "rmtree", remove)
    run.lock.touch()
    remove_run(run)
    assert opened
    assert not [path for path in opened if path.is_relative_to(run.path.parent)]
    assert list(run.path.parent.iterdir()) == []


@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT"])
@pytest.mark.parametrize("operation", ["rename", "open trainer.lock"])
def test_a_run_is_removed_where_nothing_can_be_made_or_renamed(
    run: RunDirectory, operation: str, error: str
) -> None:
    """As on Btrfs whose space or quota is used up: to remove runs is what those errors advise."""
    run.lock.unlink(missing_ok=True)
    with Faults(run.path.parent, FileFault(operation, error)) as faults:
        remove_run(run)
    assert faults.struck
    assert list(run.path.parent.iterdir()) == []


def test_what_file_systems_and_browsers_leave_behind_does_not_protect_a_run(run: RunDirectory) -> None:
    for name in (".nfs000000000a1b", ".fuse_hidden0000001", "._config.yaml", ".DS_Store", "Thumbs.db"):
        (run.path / name).write_bytes(b"")
    for folder in (run.path, run.checkpoints):
        (folder / ".ipynb_checkpoints").mkdir()
        (folder / ".ipynb_checkpoints" / "trainer-checkpoint.log").write_bytes(b"")
    remove_run(run)
    assert list(run.path.parent.iterdir()) == []


def test_what_no_run_made_is_never_removed(tmp_path: Path, run: RunDirectory) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "config.yaml").write_text("mine")
    with pytest.raises(
        NotARun, match=r"this directory is not a run: .*/project has no config.yaml with control/"
    ):
        remove_run(RunDirectory(project))
    (run.path / "notes.md").write_text("precious")
    with pytest.raises(
        NotARun, match=r"the directory has files that no run made: .*/little: notes.md"
    ) as caught:
        remove_run(run)
    assert caught.value.next == ("move these elsewhere, then remove the run",)
    link = tmp_path / "link"
    link.symlink_to(run.path)
    with pytest.raises(NotARun, match="this is a link to a directory, not a run"):
        remove_run(RunDirectory(link))
    assert (project / "config.yaml").read_text() == "mine"
    assert (run.path / "notes.md").read_text() == "precious"


def test_the_size_of_a_run_is_that_of_its_files(run: RunDirectory) -> None:
    before = bytes_of(run)
    (run.checkpoints / "final.pt").write_bytes(b"0" * 5000)
    (run.checkpoints / "missing.pt").symlink_to("nowhere")
    assert bytes_of(run) == before + 5000 + len("nowhere")
