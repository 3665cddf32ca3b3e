"""Runs that wait in a queue of their own, and a stand-in for the trainer that records starts and ends."""

from __future__ import annotations

from pathlib import Path
from subprocess import Popen

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import DeviceRequest

CONFIG = """\
dataset: {name: patterns}
backbone: {arch: cifar_resnet8}
method: {name: w_mse, whitening_size: 128}
schedule: {kind: step, milestones: [], epochs: 3, batch_size: 256}
compute: {device: cpu}
"""
TRAINER = """#!{python}
import fcntl, os, signal, sys, time
from pathlib import Path
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Error, Exit, Phase
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.log.writer import EventWriter
run = RunDirectory(Path(sys.argv[-1]))
starts_and_ends = os.open(run.path.parent / "starts_and_ends", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(starts_and_ends, f"+{{run.id}}\\n".encode())
print("deferred", sorted(signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)), flush=True)
slot = "slot" + os.environ.get("CUDA_VISIBLE_DEVICES", "")
inside = os.open(run.path.parent / slot, os.O_WRONLY | os.O_CREAT)
try:
    fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    os.write(starts_and_ends, f"!{{run.id}}\\n".encode())
with RunLock(run), EventWriter(run.events) as log:
    write_trainer(run, attempt=log.begin_attempt())
    log.write(Phase("train"))
    while not (run.path.parent / "go").exists():
        time.sleep(0.02)
    time.sleep(float(os.environ.get("EXTRA_SECONDS", "0")))
    if run.id.startswith("bad"):
        log.write(Error(code="E_DATA", title="there are no images", stage="training"))
    status = "failed" if run.id.startswith("bad") else "completed"
    log.write(Exit(status=status, step=1, epoch=1, seconds=1.0))
os.write(starts_and_ends, f"-{{run.id}}\\n".encode())
"""
"""Records its start (+), its end (-), and another trainer on its slot (!); trains until `go` and
EXTRA_SECONDS longer; fails in a run whose name begins with bad."""
HERE = DeviceRequest(("machine",))


class QueuedRuns:
    """Runs, a trainer that waits for `go`, and the order of starts and ends."""

    def __init__(self, root: Path, python: Path) -> None:
        self.root, self.python = root, python
        self.processes: dict[str, Popen[bytes]] = {}

    def queue(self, name: str, *after: RunDirectory, wanted: DeviceRequest = HERE) -> RunDirectory:
        run = create_run(self.root, CONFIG, name=name)
        self.processes[name] = enqueue(run, after=after, wanted=wanted, python=self.python)
        return run

    def run(self, name: str) -> RunDirectory:
        return RunDirectory(self.root / name)

    def go(self) -> None:
        self.root.mkdir(exist_ok=True)
        (self.root / "go").touch()

    @property
    def starts_and_ends(self) -> list[str]:
        path = self.root / "starts_and_ends"
        return path.read_text().split() if path.exists() else []
