"""Opening what belongs to a run: regular files in real folders, and to change them only one's own."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prepared_runs import put

from wmse_tui.config.regular_files import RefusedFile
from wmse_tui.runs import run_folder
from wmse_tui.runs.directory import FOLDERS, OTHER_FOLDERS, RunDirectory
from wmse_tui.runs.errors import ForeignRun, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.run_folder import NotOwned, RunFolder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices and files of other users")
KINDS = (
    "link",
    "dangling link",
    "named pipe",
    "socket",
    pytest.param("device", marks=needs_root),
    "folder",
)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


OPERATIONS: dict[str, Callable[[Path], object]] = {
    "read": run_folder.read_file,
    "open": run_folder.file_descriptor,
    "update": run_folder.update_file,
    "append": run_folder.append_to_file,
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_opened(run: RunDirectory, victim: Path, kind: str, operation: str) -> None:
    before = victim.stat()
    put(kind, run.trainer_json, victim)
    with pytest.raises(RefusedFile) as caught:
        OPERATIONS[operation](run.trainer_json)
    assert caught.value.strerror == f"a {kind.removeprefix('dangling ')}, not a regular file"
    assert caught.value.filename == str(run.trainer_json)
    assert (victim.read_text(), victim.stat().st_mtime_ns) == ("precious", before.st_mtime_ns)
    assert not victim.with_name("not-there").exists()


def test_a_file_with_a_second_name_is_read_and_not_changed(run: RunDirectory, victim: Path) -> None:
    put("hard link", run.trainer_log, victim)
    assert run_folder.read_file(run.trainer_log) == b"precious"
    with pytest.raises(RefusedFile, match="it has a second name elsewhere") as caught:
        run_folder.append_to_file(run.trainer_log)
    copy = (
        "give the run a file of its own: cp trainer.log trainer.log.copy && mv trainer.log.copy trainer.log"
    )
    assert caught.value.next == (copy,)
    run_folder.publish_file(run.trainer_log, b"ours")
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_a_link_is_not_entered(run: RunDirectory, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.json").write_text("{}")
    (run.path / name).rmdir()
    (run.path / name).symlink_to(outside)
    path = run.path / name / "a.json"
    changes: list[Callable[[], object]] = [
        lambda: run_folder.read_file(path),
        lambda: run_folder.publish_file(path, b"new"),
        lambda: run_folder.remove_file(path),
        lambda: run_folder.append_to_file(path),
    ]
    for change in changes:
        with pytest.raises(RefusedFile, match="a link, not a folder") as caught:
            change()
        assert caught.value.next == (
            "put the folder itself there; what belongs to a run is never opened through a link",
        )
    assert [(entry.name, entry.read_text()) for entry in outside.iterdir()] == [("a.json", "{}")]
    with pytest.raises(StorageError, match=f"cannot change the run: .*{name}: a link, not a folder"):
        require_own(run)


def test_what_is_done_by_name_stays_in_the_folder(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with RunFolder(run.checkpoints, own=True) as folder:
        run.checkpoints.rename(run.path / "moved")
        run.checkpoints.symlink_to(tmp_path / "outside")
        folder.publish("a", b"content")
        folder.link("a", "b")
        folder.rename("b", "c")
        assert sorted(folder.names()) == ["a", "c"]
    assert list((tmp_path / "outside").iterdir()) == []


def test_no_more_is_read_than_a_run_writes(run: RunDirectory) -> None:
    run.trainer_json.write_bytes(b"x" * run_folder.SMALL)
    assert len(run_folder.read_file(run.trainer_json)) == run_folder.SMALL
    os.truncate(run.trainer_json, 2**40)
    with pytest.raises(RefusedFile, match="it has more than 65536 bytes, which no run writes there"):
        run_folder.read_file(run.trainer_json)


@pytest.mark.parametrize("name", OTHER_FOLDERS)
def test_a_folder_that_not_every_run_has_is_no_link_either(
    run: RunDirectory, tmp_path: Path, name: str
) -> None:
    require_own(run)
    (run.path / name).symlink_to(tmp_path)
    with pytest.raises(StorageError, match=f"cannot change the run: .*{name}: a link, not a folder"):
        require_own(run)


def test_a_file_that_several_create_is_one(run: RunDirectory) -> None:
    descriptors: list[int] = []
    threads = [
        threading.Thread(target=lambda: descriptors.append(run_folder.update_file(run.lock)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(descriptors) == 8
    assert len({os.fstat(descriptor).st_ino for descriptor in descriptors}) == 1
    assert stat.S_IMODE(run.lock.stat().st_mode) == 0o600
    for descriptor in descriptors:
        os.close(descriptor)


@needs_root
@pytest.mark.parametrize("name", ["", *FOLDERS])
def test_a_run_of_another_user_is_not_changed(run: RunDirectory, name: str) -> None:
    os.chown(run.path / name, 1234, -1)
    before = run.path.stat().st_mtime_ns
    with pytest.raises(ForeignRun) as caught:
        require_own(run)
    assert caught.value.title == "the run little is not yours to change"
    assert caught.value.detail.endswith(": it belongs to user 1234; you are user root (0)")
    assert caught.value.next[0] == "read it: wmse-tui show little"
    assert run.path.stat().st_mtime_ns == before, "the check left no trace"


@needs_root
def test_a_file_of_another_user_is_not_changed(run: RunDirectory) -> None:
    run.events.write_text("")
    os.chown(run.events, 1234, -1)
    with pytest.raises(NotOwned, match="it belongs to user 1234"):
        run_folder.update_file(run.events)


def test_a_file_system_that_reports_one_owner_for_all_holds_runs(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CIFS and sshfs give all files one owner; NFS gives root's files to nobody."""
    owner = run.path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    require_own(run)
    os.close(run_folder.update_file(run.lock))
    assert [path for path in run.path.iterdir() if path.suffix == ".tmp"] == []
