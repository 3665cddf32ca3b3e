"""From an experiment to a run with a trainer, and which of the active trainers this app has started."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from wmse_tui.config.image_folder import beginning_of_id
from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.locations import settings_file
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.preflight import check_runs_dir
from wmse_tui.runs.process.evaluation_process import StartedEvaluation, launch_evaluation, launch_neighbours
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.process.lock import held
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.process.signalling import send_request
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import device_request
from wmse_tui.runs.queue.positions import busy_reason, cancel
from wmse_tui.runs.queue.run_jobs import script_for, submit_run
from wmse_tui.runs.queue.slurm import JobOptions, answers, submit
from wmse_tui.runs.queue.sweep_plan import SweepPlan, queue_sweep
from wmse_tui.runs.state.config import with_preset
from wmse_tui.tui.settings import load_settings

Launch = Callable[[RunDirectory], "subprocess.Popen[bytes]"]
Evaluate = Callable[[RunDirectory], StartedEvaluation]


class Trainers:
    """Starts trainers. The methods block (files, a new process): call them in a thread.

    Attributes:
        processes: those that this app started: trainers, waiting processes of the queue, evaluations.
    """

    def __init__(
        self,
        root: Path,
        launch: Launch = launch_trainer,
        enqueue: Launch = enqueue,
        evaluate: Evaluate = launch_evaluation,
        neighbours: Evaluate = launch_neighbours,
    ) -> None:
        self.root = root
        self._launch = launch
        self._enqueue = enqueue
        self._evaluate = evaluate
        self._neighbours = neighbours
        self._own: dict[Path, RunDirectory] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self._latest: dict[Path, subprocess.Popen[bytes]] = {}

    def start(
        self,
        experiment: Experiment,
        *,
        preset: str = "",
        name: str | None = None,
        own: bool = True,
        queue: bool = False,
    ) -> RunDirectory:
        """Make a run of `experiment` and start its trainer.

        Args:
            experiment: complete and checked.
            preset: the preset it was made from, or "".
            name: the run's id; None: one is made.
            own: a dialog asks about this run when the app exits; False: it was launched detached.
            queue: put the run into the queue; the process that waits for it becomes the trainer.

        Raises:
            RunsError: there is no disk space, the name is taken, or the trainer cannot be started; then the
                new run is removed.
        """
        with self._made(experiment, preset, name) as run:
            if queue:
                self.queue(run)
            else:
                self._begin(run, own=own)
        return run

    def submit(
        self, experiment: Experiment, options: JobOptions, *, preset: str, name: str | None
    ) -> tuple[RunDirectory, str]:
        """Make a run of `experiment` and submit it to SLURM; the run, and the id of its job.

        Raises:
            RunsError: as `start`, or SLURM refuses the job; then the new run is removed.
        """
        with self._made(experiment, preset, name) as run:
            number = submit(run, script_for(run, experiment, options))
        return run, number

    @contextlib.contextmanager
    def _made(self, experiment: Experiment, preset: str, name: str | None) -> Iterator[RunDirectory]:
        """Make a run, which is removed where the block that starts it fails."""
        check_runs_dir(self.root)
        text = with_preset(dump_experiment(experiment), preset)
        run = create_run(self.root, text, name=name, preset_hint=beginning_of_id(experiment, preset))
        try:
            yield run
        except RunsError:
            with contextlib.suppress(RunsError):
                remove_run(run)
            raise

    def resume(self, run: RunDirectory, *, own: bool = True) -> None:
        """Start another attempt at a run that is not being trained.

        Raises:
            RunsError: it is being trained, or the trainer cannot be started.
        """
        check_runs_dir(run.path)
        self._begin(run, own=own)

    def queue(self, run: RunDirectory) -> None:
        """Have a run start, or resume, when a slot is free; it does not count as own. Raises RunsError."""
        check_runs_dir(run.path)
        self.processes.append(self._enqueue(run))

    def queue_sweep(self, plan: SweepPlan, *, preset: str, tag: str) -> Iterator[RunDirectory]:
        """Create and queue the runs of a sweep one after the other. Raises RunsError."""
        check_runs_dir(self.root)
        queued = queue_sweep(plan, self.root, preset=preset, hint=preset, tag=tag, enqueue=self._enqueue)
        for each in queued:
            self.processes.append(each.waiting)
            yield each.run

    def submit_sweep(
        self, plan: SweepPlan, options: JobOptions, *, preset: str, tag: str
    ) -> Iterator[RunDirectory]:
        """Create the runs of a sweep and submit a job for each. Raises RunsError."""
        check_runs_dir(self.root)
        submitted = queue_sweep(
            plan, self.root, preset=preset, hint=preset, tag=tag, enqueue=partial(submit_run, options=options)
        )
        for each in submitted:
            yield each.run

    def evaluate(self, run: RunDirectory) -> StartedEvaluation:
        """Evaluate a checkpoint of a run that is not being trained, in a process. Raises RunsError."""
        started = self._evaluate(run)
        self.processes.append(started.process)
        return started

    def find_neighbours(self, run: RunDirectory) -> StartedEvaluation:
        """Find the nearest neighbours of test images by a checkpoint, in a process. Raises RunsError."""
        started = self._neighbours(run)
        self.processes.append(started.process)
        return started

    def busy_reason(self, experiment: Experiment) -> str:
        """Why a run of `experiment` would get no slot of its own now, in a sentence; "": it would get one."""
        try:
            return busy_reason(device_request(experiment.compute.device, experiment.compute.devices))
        except RunsError:
            return ""  # without a queue there is no choice

    def can_submit(self, *, patience: float) -> bool | None:
        """Whether a run can be submitted to SLURM from here; None: it has not answered within `patience`."""
        return answers(patience=patience)

    def adopt(self, run: RunDirectory) -> None:
        """Count a run as this app's own: a dialog asks about it when the app exits."""
        self._own[run.path] = run

    def ask_stop(self, run: RunDirectory) -> None:
        """Request that a trainer saves and stops; it answers in its log. An unreachable one is not an error.

        A run that still waits is removed from the queue.
        """
        with contextlib.suppress(RunsError):
            if held(run.queue_lock) and cancel(run):
                return
            send_request(run, "stop", by="app")

    def active(self) -> tuple[RunDirectory, ...]:
        """This app's own runs that are being trained now, or whose trainer is starting."""
        # A trainer acquires the lock seconds after its start.
        running = {path for path, process in self._latest.items() if process.poll() is None}
        return tuple(run for run in self._own.values() if run.path in running or _trained(run))

    def _begin(self, run: RunDirectory, *, own: bool) -> None:
        process = self._launch(run)
        self.processes.append(process)
        self._latest[run.path] = process
        if own:
            self.adopt(run)

    def reap(self) -> None:
        """Reap processes that have ended, which are zombies until then."""
        for process in self.processes:
            process.poll()

    def release(self) -> None:
        """Detach the processes: they outlive this one, without a warning at its exit."""
        for process in self.processes:
            if process.poll() is None:
                process.returncode = 0


def read_job_options(line: str) -> JobOptions:
    """The options of a job: those of the settings, and over them those of a line, as `time=2 exclusive`.

    Raises:
        SchedulerError: one of them is no option, or not the user's to set.
    """
    return load_settings(settings_file()).settings.slurm.job_options(line.split())


def _trained(run: RunDirectory) -> bool:
    try:
        return held(run.lock)
    except RunsError:
        return False
