"""A trainer in a run directory that somebody has prepared: it writes into the run, or explains why not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from prepared_runs import KINDS, NAMES, bounded, put, snapshot

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.config.sections.checkpoint import CheckpointOptions
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.evaluation.embedding_map import publish_map, read_points
from wmse_tui.engine.training.checkpoint_manager import CheckpointManager
from wmse_tui.engine.training.checkpoints import newest_checkpoint
from wmse_tui.engine.training.session import FAILED, run_session
from wmse_tui.runs.directory import FOLDERS, RunDirectory, create_run
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.events import Notice
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process import disk_reserve
from wmse_tui.runs.process.control import claim, pending
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.process.lock import RunLock


def attempt(run: RunDirectory) -> list[Callable[[], object]]:
    """What a trainer does to the files of its run, in its order."""
    manager = CheckpointManager(
        lambda: run.checkpoints, CheckpointOptions(keep=2), write=lambda _: None, sync_log=lambda: None
    )

    def log() -> None:
        with EventWriter(run.events) as writer:
            writer.write(Notice("info", "N_DATA", "an event"))

    def take_requests() -> None:
        for request in pending(run):
            claim(run, request)

    def save(step: int) -> None:
        manager.save({"w": torch.zeros(2)}, step=step, epoch=1, kinds=("best", "final"))

    def save_map() -> None:
        points, labels = torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)
        publish_map(run.artifacts / "embedding.npz", points, labels, ("a",), step=1, epoch=1, kind="pca")

    return [
        lambda: RunLock(run).__enter__().__exit__(None, None, None),
        log,
        take_requests,
        lambda: write_trainer(run, attempt=1),
        lambda: disk_reserve.preallocate(run),
        lambda: newest_checkpoint(run.checkpoints, damaged=lambda _: None),
        lambda: read_points(run.artifacts / "embedding.npz"),
        lambda: save(10),
        lambda: save(11),
        lambda: save(12),
        save_map,
        lambda: disk_reserve.free(run),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_trainer_changes_nothing_outside_its_run(tmp_path: Path, kind: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("notes.json", ".notes.tmp", "step-00000001.pt", "embedding.npz", "victim"):
        (project / name).write_text('{"precious": 1}\n')
    runs = [create_run(tmp_path / "runs", "title: x\n", name=f"r{number}") for number in range(len(NAMES))]
    for run, name in zip(runs, NAMES, strict=True):
        put(kind, run.path / name, project if name in FOLDERS else project / "victim")
    before = snapshot(project)
    for run, name in zip(runs, NAMES, strict=True):
        for act in attempt(run):
            with bounded(), suppress(RunsError, EngineError, OSError):
                act()
            assert snapshot(project) == before, name


@pytest.mark.parametrize("name", FOLDERS)
def test_a_trainer_refuses_a_folder_that_is_a_link(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "project").mkdir()
    text = dump_experiment(load_experiment(preset="quickstart"))
    run = create_run(tmp_path / "runs", text, name="prepared")
    put("link", run.path / name, tmp_path / "project")
    assert run_session(run.path) == FAILED
    output = capsys.readouterr().out
    assert f"cannot change the run: {run.path / name}: a link, not a folder" in output
    assert "put the folder itself there" in output
    assert list((tmp_path / "project").iterdir()) == []


def test_what_a_trainer_prints_of_a_name_cannot_be_more_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = create_run(tmp_path / "runs", "title: x\n", name="plain")
    run = RunDirectory(made.path.with_name("a'\ntouch PWNED\n"))
    made.path.rename(run.path)
    (run.path / "trainer.lock").mkdir()
    assert run_session(run.path) == FAILED
    assert not [line for line in capsys.readouterr().out.splitlines() if line.startswith("touch")]
