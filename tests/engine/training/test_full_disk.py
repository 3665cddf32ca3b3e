"""A disk that is really full, under a real trainer: training continues, and no event is lost.

The system refuses by itself: by a limit on the size of files that is put on the running trainer, which needs
no rights, and where namespaces may be made also by a file system of a few MB in memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from events import read_log
from forked_trainers import ForkedTrainer, start_trainer

from wmse_tui.engine.training.checkpoints import read_checkpoint, save_checkpoint, step_checkpoints
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Control, Notice
from wmse_tui.runs.process.control import request
from wmse_tui.runs.state.watch import view_run

MakeRun = Callable[..., RunDirectory]

INSIDE = """
import json, os, shutil, subprocess, sys
from pathlib import Path
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.watch import view_run

made, small = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(small)], check=True)
run = RunDirectory(Path(shutil.copytree(made, small / "run")))
first = run_session(run.path)
full = view_run(run)
on_full_disk = [os.statvfs(small).f_bavail * os.statvfs(small).f_frsize, first, full.status, full.error.code]
subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
second = run_session(run.path)
shutil.copytree(run.path, made, dirs_exist_ok=True)
print(json.dumps({"full": on_full_disk, "notices": [n.code for n in full.notices], "second": second}))
"""


def namespaces() -> list[str]:
    """The command that makes a mount namespace here; empty where that is not allowed."""
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        try:
            if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
                return command
        except OSError:
            break
    return []


def until(condition: Callable[[], object], process: ForkedTrainer) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the trainer ended"
        assert time.monotonic() < end, "it never came so far"
        time.sleep(0.02)


def events_of(run: RunDirectory, kind: type[Any]) -> list[Any]:
    return [record.event for record in read_log(run.events) if isinstance(record.event, kind)]


def test_enospc_by_limit(make_run: MakeRun) -> None:
    """Log and checkpoint cannot be written for a while; when there is space again nothing is missing."""
    run = make_run("schedule.epochs=2000", "evaluation.every=10000")
    process = start_trainer(run)
    try:
        until(lambda: view_run(run).step > 5, process)
        before = view_run(run)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        request_id = request(run, "checkpoint")
        until(lambda: not any(run.control.iterdir()), process)
        time.sleep(1.5)  # steps and the refusal wait in memory
        assert view_run(run).seq <= before.seq + 2
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        until(
            lambda: any(c.id == request_id and c.outcome != "accepted" for c in events_of(run, Control)),
            process,
        )
        request(run, "stop")
        assert process.wait(60) == 4
    finally:
        process.kill()
    assert [c.outcome for c in events_of(run, Control) if c.id == request_id] == ["accepted", "refused"]
    assert [n.code for n in events_of(run, Notice) if n.level == "warning"] == ["E_CHECKPOINT_REFUSED"]
    view = view_run(run)
    assert (view.missing, view.unreadable) == (0, 0)
    assert view.step > before.step
    assert len(view.loss.values()) == view.step, "no step's loss is missing"
    assert read_checkpoint(step_checkpoints(run.checkpoints)[-1])["position"]["step"] == view.step


if namespaces():  # without them the limit above is what there is

    def test_enospc_tmpfs(make_run: MakeRun, tmp_path: Path) -> None:
        """Checkpoints fill a file system of 6 MB: the run ends with the reason, and resumes when it grows."""
        run = make_run("schedule.epochs=4", "checkpoint.every_minutes=0.0001", "checkpoint.keep=1000")
        small = tmp_path / "small"
        small.mkdir()
        done = subprocess.run(
            [*namespaces(), sys.executable, "-c", INSIDE, str(run.path), str(small)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout.splitlines()[-1])
        assert seen["full"][1:] == [1, "failed", "E_DISK_FULL"]
        assert seen["notices"].count("E_CHECKPOINT_REFUSED") == 2  # the third refusal in a row ends it
        assert seen["second"] == 0
        view = view_run(run)
        assert (view.status, view.attempt, view.step, view.missing) == ("completed", 2, 24, 0)
        assert view.setup is not None
        assert view.setup.resume_step > 0
        assert len(view.loss.values()) == 24


def test_a_full_disk_is_no_defect_of_torch(tmp_path: Path) -> None:
    """After a failed write `torch.save` complains of something else: "unexpected pos 30 vs 0"."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    save_checkpoint(tmp_path, 1, {"weights": torch.zeros(10)})
    refused = 0
    try:
        for limit in (1, 500, 1000, 3000, 5000, 20_000, 60_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            for parts in (1, 40):
                with pytest.raises(OSError, match="File too large"):
                    save_checkpoint(
                        tmp_path, 2, {"weights": [torch.randn(20_000 // parts) for _ in range(parts)]}
                    )
                refused += 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused == 14
    assert [path.name for path in step_checkpoints(tmp_path)] == ["step-00000001.pt"]
