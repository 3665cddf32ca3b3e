"""A run as one file, and back: whole, checked, and nothing but what a run has."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from events import attempt, epoch, evaluation

from wmse_tui.runs.archive import MANIFEST, import_archive, write_archive
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import BadRunName, NotAnArchive, OutputExists, RunExists, StorageError
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.state.watch import view_run


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = create_run(tmp_path / "runs", "title: to be moved\n", name="source")
    with EventWriter(run.events) as log:
        log.begin_attempt()
        for event in (attempt(), epoch(1, 4), evaluation(1, 4, 0.5, 0.625)):
            log.write(event)
    for step in (4, 8, 12):
        checkpoint = run.checkpoints / f"step-{step:08d}.pt"
        checkpoint.write_bytes(os.urandom(3000))
        checkpoint.with_name(checkpoint.name + ".sha256").write_text(f"sum of {step}\n")
    (run.checkpoints / "best.pt").hardlink_to(run.checkpoints / "step-00000008.pt")
    (run.checkpoints / "final.pt").hardlink_to(run.checkpoints / "step-00000012.pt")
    (run.checkpoints / ".step-00000016.pt.tmp").write_bytes(b"unfinished")
    (run.artifacts / "embedding.npz").write_bytes(b"a map")
    (run.evaluations / "final-20260101T000000Z.json").write_text("{}")
    run.annotations.write_text('{"tags": ["good"]}')
    for private in (run.lock, run.trainer_json, run.trainer_log, run.control / "stop", run.reserve):
        private.write_text("of this machine")
    return run


def files_of(run: RunDirectory) -> dict[str, bytes]:
    return {
        path.relative_to(run.path).as_posix(): path.read_bytes()
        for path in run.path.rglob("*")
        if path.is_file()
    }


def test_a_run_comes_back_with_what_belongs_to_it(run: RunDirectory, tmp_path: Path) -> None:
    write_archive(run, tmp_path / "run.tar")
    copy = import_archive(tmp_path / "run.tar", tmp_path / "elsewhere")
    assert copy.path == tmp_path / "elsewhere" / "source"
    before, after = files_of(run), files_of(copy)
    assert {name: before[name] for name in after} == after
    assert before.keys() - after.keys() == {
        "trainer.lock",
        "trainer.json",
        "trainer.log",
        "reserve",
        "control/stop",
        "checkpoints/.step-00000016.pt.tmp",
        "checkpoints/step-00000004.pt",
        "checkpoints/step-00000004.pt.sha256",
        "checkpoints/step-00000008.pt",
        "checkpoints/step-00000008.pt.sha256",
    }
    assert copy.is_run()
    assert view_run(copy).evaluations == view_run(run).evaluations
    assert {path.stat().st_mode & 0o777 for path in copy.path.rglob("*")} == {0o700, 0o600}


def test_every_checkpoint_is_stored_once(run: RunDirectory, tmp_path: Path) -> None:
    write_archive(run, tmp_path / "run.tar", every_checkpoint=True)
    assert (tmp_path / "run.tar").stat().st_size < 4 * 3000 + 20_000
    copy = import_archive(tmp_path / "run.tar", tmp_path / "elsewhere", name="copy")
    named = {path.name: path.read_bytes() for path in copy.checkpoints.glob("*.pt")}
    assert named == {path.name: path.read_bytes() for path in run.checkpoints.glob("[!.]*.pt")}
    assert (copy.checkpoints / "best.pt").samefile(copy.checkpoints / "step-00000008.pt")


def test_the_log_of_a_running_trainer_is_cut_at_its_last_whole_line(
    run: RunDirectory, tmp_path: Path
) -> None:
    whole = run.events.read_bytes()
    run.events.write_bytes(whole + b'{"half a rec')
    write_archive(run, tmp_path / "run.tar")
    copy = import_archive(tmp_path / "run.tar", tmp_path / "elsewhere")
    assert copy.events.read_bytes() == whole


def test_nothing_is_overwritten(run: RunDirectory, tmp_path: Path) -> None:
    archive = tmp_path / "run.tar"
    archive.write_text("mine")
    with pytest.raises(OutputExists):
        write_archive(run, archive)
    assert archive.read_text() == "mine"
    write_archive(run, archive, overwrite=True)
    with pytest.raises(RunExists, match="named source already"):
        import_archive(archive, run.path.parent)
    with pytest.raises(BadRunName):
        import_archive(archive, run.path.parent, name="../x")
    assert [path.name for path in run.path.parent.iterdir()] == ["source"]


@pytest.mark.parametrize("position", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_archive_leaves_no_run(
    damage: str, position: float, run: RunDirectory, tmp_path: Path
) -> None:
    write_archive(run, tmp_path / "run.tar", every_checkpoint=True)
    content = bytearray((tmp_path / "run.tar").read_bytes())
    used = content.rstrip(b"\0")
    at = int(position * len(used))
    if damage == "cut":
        del content[at:]
    else:
        content[at] ^= 0xFF
    (tmp_path / "bad.tar").write_bytes(content)
    root = tmp_path / "elsewhere"
    with pytest.raises(NotAnArchive):
        import_archive(tmp_path / "bad.tar", root)
    assert list(root.iterdir()) == []


def made(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], **manifest: object) -> Path:
    """An archive with these members and a manifest that lists them truly, but for `manifest`."""
    files = {
        header.name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for header, content in members
    }
    text = json.dumps({"v": 1, "run": "made", "files": files, "same": {}} | manifest).encode()
    first = tarfile.TarInfo(MANIFEST)
    first.size = len(text)
    with tarfile.open(path, "w") as archive:
        archive.addfile(first, io.BytesIO(text))
        for header, content in members:
            archive.addfile(header, io.BytesIO(content))
    return path


def member(name: str, content: bytes = b"title: x\n", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in fields.items():
        setattr(header, key, value)
    return header, content


def test_an_archive_of_our_form_is_imported(tmp_path: Path) -> None:
    run = import_archive(made(tmp_path / "a.tar", [member("config.yaml")]), tmp_path / "runs")
    assert files_of(run) == {"config.yaml": b"title: x\n"}


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/tmp/outside",
        "checkpoints/../../outside",
        "checkpoints/sub/file",
        ".bashrc",
        "trainer.json",
        "trainer.lock",
        "control/stop",
        "checkpoints/.hidden",
        "checkpoints/a\nb",
        "x" * 300,
    ],
)
def test_names_that_no_run_has_are_refused(name: str, tmp_path: Path) -> None:
    archive = made(tmp_path / "a.tar", [member("config.yaml"), member(name)])
    with pytest.raises(NotAnArchive):
        import_archive(archive, tmp_path / "runs")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "runs"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_only_regular_files_are_unpacked(kind: bytes, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    linked = member("artifacts/x", b"", type=kind, linkname=str(victim))
    with pytest.raises(NotAnArchive):
        import_archive(made(tmp_path / "a.tar", [member("config.yaml"), linked]), tmp_path / "runs")
    assert victim.read_text() == "untouched"
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "manifest",
    [
        {"v": 2},
        {"run": "../x"},
        {"run": 3},
        {"files": []},
        {"files": {"config.yaml": {"bytes": -1, "sha256": ""}}},
        {"files": {"config.yaml": {"bytes": 9, "sha256": "0" * 64}}},
        {"files": {}},
        {"same": {"checkpoints/a.pt": "checkpoints/b.pt"}},
        {"same": {"../a": "config.yaml"}},
        {"same": {"config.yaml": "config.yaml"}},
    ],
)
def test_manifests_that_claim_otherwise_are_refused(manifest: dict[str, object], tmp_path: Path) -> None:
    archive = made(tmp_path / "a.tar", [member("config.yaml")], **manifest)
    with pytest.raises((NotAnArchive, BadRunName)):
        import_archive(archive, tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    huge = {"bytes": 2**62, "sha256": "0" * 64}
    files = {"config.yaml": huge}
    archive = made(tmp_path / "a.tar", [member("config.yaml")], files=files)
    with pytest.raises(StorageError, match="too little space"):
        import_archive(archive, tmp_path / "runs")


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"\0" * 20480])
def test_other_files_are_no_archives(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(NotAnArchive):
        import_archive(tmp_path / "a", tmp_path / "runs")
    with pytest.raises(StorageError, match="No such file"):
        import_archive(tmp_path / "missing", tmp_path / "runs")
