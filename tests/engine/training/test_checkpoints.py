"""A checkpoint is whole or not there, a damaged one is never used, and none can run code."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from events import attempt
from opened_files import opened_files

from wmse_tui.engine.errors import CheckpointError
from wmse_tui.engine.training import checkpoints
from wmse_tui.engine.training.checkpoints import (
    THREADED_BYTES,
    checksum_path,
    name_checkpoint,
    newest_checkpoint,
    prune_checkpoints,
    read_checkpoint,
    save_checkpoint,
    step_checkpoints,
)
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Checkpoint
from wmse_tui.runs.log.writer import EventWriter


def save(folder: Path, step: int) -> checkpoints.SavedCheckpoint:
    return save_checkpoint(folder, step, {"weights": torch.full((1000,), float(step)), "step": step})


def newest(folder: Path) -> tuple[int, list[str]]:
    passed_over: list[CheckpointError] = []
    found = newest_checkpoint(folder, damaged=passed_over.append)
    assert found is not None
    return found[1]["step"], [str(error) for error in passed_over]


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    published = save(tmp_path, 12)
    state = read_checkpoint(published.path)
    assert state["step"] == 12
    assert torch.equal(state["weights"], torch.full((1000,), 12.0))
    assert published.path.stat().st_size == published.bytes
    assert stat.S_IMODE(published.path.stat().st_mode) == 0o600


def test_the_checksum_file_is_what_sha256sum_reads(tmp_path: Path) -> None:
    published = save(tmp_path, 12)
    assert checksum_path(published.path).read_text() == f"{published.sha256}  step-00000012.pt\n"


@pytest.mark.parametrize(
    "numbers",
    [0, 1, THREADED_BYTES // 4 - 1, THREADED_BYTES // 4, THREADED_BYTES // 4 + 1, 3 * THREADED_BYTES],
)
def test_the_checksum_of_what_was_written_is_that_of_the_file(tmp_path: Path, numbers: int) -> None:
    """Pieces that a thread hashes, pieces around that size, none, and tensors that share their memory."""
    weights = torch.arange(numbers, dtype=torch.float32)
    state = {"weights": weights, "view": weights[: numbers // 2], "small": [torch.ones(3)] * 50, "step": 1}
    published = save_checkpoint(tmp_path, 1, state)
    assert published.sha256 == hashlib.sha256(published.path.read_bytes()).hexdigest()
    assert published.bytes == published.path.stat().st_size
    assert torch.equal(read_checkpoint(published.path)["view"], weights[: numbers // 2])


def test_a_checkpoint_is_opened_once_and_only_to_be_written(tmp_path: Path) -> None:
    with opened_files() as opened:
        published = save(tmp_path, 7)
    own = [flags for path, flags in opened if path.name.endswith((published.path.name, ".pt.tmp"))]
    assert [flags & os.O_ACCMODE for flags in own] == [os.O_WRONLY]


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "no checksum"])
def test_a_damaged_newest_is_passed_over_with_its_reason(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2).path
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "truncate":
        path.write_bytes(content[:-100])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        checksum_path(path).unlink()
    step, reasons = newest(tmp_path)
    assert step == 1
    assert len(reasons) == 1
    assert ("is missing" if damage == "no checksum" else "is damaged") in reasons[0]


def test_all_damaged_is_an_error_and_not_a_fresh_start(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step).path.write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"no checkpoint of this run can be used: 2 tried"):
        newest_checkpoint(tmp_path, damaged=lambda error: None)


def test_an_empty_folder_has_no_newest(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path, damaged=lambda error: None) is None


def test_the_best_keeps_its_bytes_when_its_step_is_pruned(tmp_path: Path) -> None:
    name_checkpoint(save(tmp_path, 1), "best")
    for step in (2, 3, 4):
        save(tmp_path, step)
        prune_checkpoints(tmp_path, keep=2)
    assert [path.name for path in step_checkpoints(tmp_path)] == ["step-00000003.pt", "step-00000004.pt"]
    assert read_checkpoint(tmp_path / "best.pt")["step"] == 1


def test_a_name_moves_to_a_newer_checkpoint(tmp_path: Path) -> None:
    name_checkpoint(save(tmp_path, 1), "best")
    name_checkpoint(save(tmp_path, 2), "best")
    assert read_checkpoint(tmp_path / "best.pt")["step"] == 2
    assert len(checksum_path(tmp_path / "best.pt").read_text().splitlines()) == 1


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil-ran",)


def test_a_checkpoint_that_may_not_be_read_names_the_command_that_opens_its_run(tmp_path: Path) -> None:
    """One that was saved after its owner had opened the run to others is private again."""
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    path = save(folder, 7).path
    path.chmod(0)
    uid = os.geteuid()
    who = "open it: chmod -R u+rwX" if uid else "ask its owner to open it: chmod -R go+rX"
    try:
        os.seteuid(uid or 12345)  # root may read everything
        with pytest.raises(CheckpointError, match="cannot be read: Permission denied") as caught:
            read_checkpoint(path)
    finally:
        os.seteuid(uid)
    assert caught.value.next == (f"{who} {folder.parent}",)


def test_a_pickle_in_a_checkpoint_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "step-00000001.pt"
    for writer in (
        lambda: torch.save({"format": 1, "x": Evil()}, path),
        lambda: path.write_bytes(pickle.dumps(Evil())),
    ):
        writer()
        checksum_path(path).write_text(f"{checkpoints.file_sha256(path)}  {path.name}\n")
        with pytest.raises(CheckpointError, match="is not a checkpoint of ours"):
            read_checkpoint(path)
    assert not (tmp_path / "evil-ran").exists()


def test_a_foreign_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.pt"
    torch.save({"format": 99}, path)
    checksum_path(path).write_text(f"{checkpoints.file_sha256(path)}  {path.name}\n")
    with pytest.raises(CheckpointError, match=r"has format 99: this version reads format 1"):
        read_checkpoint(path)


@pytest.fixture
def logged_run(tmp_path: Path) -> RunDirectory:
    """A run with the checkpoints of steps 10 and 20, the later one also the best, and a log that has both."""
    run = RunDirectory(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    with EventWriter(run.events) as log:
        log.begin_attempt()
        log.write(attempt(epochs=10, steps_per_epoch=4))
        for step, kinds in ((10, ("last",)), (20, ("last", "best"))):
            saved = save(run.checkpoints, step)
            if "best" in kinds:
                name_checkpoint(saved, "best")
            log.write(
                Checkpoint(step=step, epoch=1, file=saved.path.name, sha256=saved.sha256, bytes=saved.bytes,
                           kinds=kinds, seconds=0.1)
            )  # fmt: skip
    return run


def remade(path: Path) -> None:
    """Replace a checkpoint and the checksum beside it."""
    other = save(path.parent, 99)
    other.path.replace(path)
    checksum_path(other.path).unlink()
    checksum_path(path).write_text(f"{other.sha256}  {path.name}\n")


@pytest.mark.parametrize("name", ["step-00000010.pt", "step-00000020.pt", "best.pt"])
def test_the_checksum_of_the_log_wins_over_the_one_beside_the_file(
    logged_run: RunDirectory, name: str
) -> None:
    path = logged_run.checkpoints / name
    assert read_checkpoint(path)["step"] in (10, 20)
    remade(path)
    with pytest.raises(CheckpointError, match="is not the checkpoint that the run has saved"):
        read_checkpoint(path)
    assert newest(logged_run.checkpoints)[0] == (10 if name == "step-00000020.pt" else 20)


def test_checkpoints_that_the_log_does_not_know_yet_are_read(logged_run: RunDirectory) -> None:
    """Their trainer was killed after publishing them: a later step, named the best, and the file of a step
    from which training had gone back."""
    name_checkpoint(save(logged_run.checkpoints, 30), "best")
    assert read_checkpoint(logged_run.checkpoints / "best.pt")["step"] == 30
    assert newest(logged_run.checkpoints)[0] == 30
    with EventWriter(logged_run.events) as log:
        log.begin_attempt()
        log.write(attempt(resume_step=10, epochs=10, steps_per_epoch=4))
    remade(logged_run.checkpoints / "step-00000020.pt")
    assert read_checkpoint(logged_run.checkpoints / "step-00000020.pt")["step"] == 99


def compressed(path: Path, *, kind: int, repeated: int = 1) -> None:
    """Store a checkpoint's archive again, compressed, its tensors `repeated` times as long."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members:
            archive.writestr(name, content * (repeated if "/data/" in name else 1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    checksum_path(path).write_text(f"{digest}  {path.name}\n")


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_checkpoint_is_refused_before_it_is_unpacked(tmp_path: Path, kind: int) -> None:
    path = save(tmp_path, 12).path
    compressed(path, kind=kind, repeated=1_000)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(CheckpointError, match="not a checkpoint of ours") as caught:
        read_checkpoint(path)
    assert "it is compressed" in caught.value.detail


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing a file fails the test."""
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("it was read"))


@pytest.mark.usefixtures("unread")
def test_a_file_that_claims_terabytes_is_refused_unread(tmp_path: Path) -> None:
    path = save(tmp_path, 12).path
    archive = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(2**42)
        file.seek(-len(archive), os.SEEK_END)
        file.write(archive)
    with pytest.raises(CheckpointError, match="is damaged") as caught:
        read_checkpoint(path)
    assert caught.value.detail.endswith(" of its 4,398,046,511,104 bytes are on disk")


@pytest.mark.usefixtures("unread")
def test_a_large_file_that_is_no_archive_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SOON_HASHED", 100_000)
    path = save(tmp_path, 12).path
    path.write_bytes(b"x" * 200_000)
    with pytest.raises(CheckpointError, match="is damaged") as caught:
        read_checkpoint(path)
    assert caught.value.detail.startswith("its end is not that of an archive")


def test_other_formats_of_torch_are_refused(tmp_path: Path) -> None:
    """They name sizes that are allocated before they are compared with the file."""
    path = tmp_path / "step-00000001.pt"
    torch.save({"format": checkpoints.FORMAT}, path, _use_new_zipfile_serialization=False)
    checksum_path(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    with pytest.raises(CheckpointError, match="not a checkpoint of ours"):
        read_checkpoint(path)
