"""One attempt at a run: from its directory to an exit code, with every kind of end reported in the log."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import torch
import torchvision

from wmse_tui import __version__
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.compute import Compute
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.engine.data.data_identity import DataIdentity
from wmse_tui.engine.data.dataset_sources import Data, image_name, load_data
from wmse_tui.engine.data.pipelines import Batches, build_batches
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.other_ranks import (
    OtherRanks,
    device_of_rank,
    require_devices,
    share_cores,
    with_ranks,
)
from wmse_tui.engine.distribution.ranks import ALONE, Group, Ranks
from wmse_tui.engine.errors import (
    CheckpointError,
    DataError,
    Diverged,
    EngineError,
    RankFailed,
    WhiteningFailed,
)
from wmse_tui.engine.evaluation import EvaluationInterrupted, evaluate
from wmse_tui.engine.evaluation.dealt_batches import count_damaged
from wmse_tui.engine.evaluation.embedding_map_writer import EmbeddingMapWriter
from wmse_tui.engine.methods import Method, build_method, move_to_device
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.stop_signals import StopSignals
from wmse_tui.engine.training.checkpoint_manager import CheckpointManager
from wmse_tui.engine.training.checkpoints import newest_checkpoint, saved_checkpoint, step_checkpoints
from wmse_tui.engine.training.compiled import Compiled, compile_networks
from wmse_tui.engine.training.damaged_report import DamagedReport
from wmse_tui.engine.training.device import (
    ChosenDevice,
    choose_device,
    faster_options,
    prepare,
    require_precision,
)
from wmse_tui.engine.training.diagnostics import TrainingDiagnostics
from wmse_tui.engine.training.failures import error_event
from wmse_tui.engine.training.graph import stepper
from wmse_tui.engine.training.location import RunLocation
from wmse_tui.engine.training.loop import Position, TrainingLoop
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.polled import run_polled
from wmse_tui.engine.training.requests import Requests, StopRequested
from wmse_tui.engine.training.resources import ResourceMonitor
from wmse_tui.engine.training.resuming import resume_from
from wmse_tui.engine.training.smoke_step import smoke_step
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunBusy, RunsError
from wmse_tui.runs.followers import start_followers
from wmse_tui.runs.log.events import Attempt, Checkpoint, Evaluation, Event, Exit, Notice, Phase
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process import disk_reserve
from wmse_tui.runs.process.cores import cores_divided
from wmse_tui.runs.process.identity import write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.process.rank_launcher import Launched
from wmse_tui.runs.state.config import load_configuration
from wmse_tui.runs.state.folded_log import DigestWriter
from wmse_tui.runs.state.lost_work import lost_work
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.text.sanitize import safe

COMPLETED, FAILED, BAD_CONFIG, DIVERGED, STOPPED, BUSY = 0, 1, 2, 3, 4, 73
PHASE_SECONDS = 0.5
Status: TypeAlias = Literal["completed", "stopped", "diverged", "failed"]


class Session:
    """Holds the lock and the log of one attempt."""

    def __init__(
        self,
        location: RunLocation,
        log: EventWriter,
        signals: StopSignals,
        launched: Launched | None = None,
    ) -> None:
        self.launched = launched
        self.location = location
        self.log = log
        self.digest = DigestWriter(self.locate)
        self.requests = Requests(self.locate, self.write, signals)
        self.stage: Literal["start", "training"] = "start"
        self.position = Position()
        self.checkpoints_seen = False
        self._dataset: Dataset | None = None
        self._others: OtherRanks | None = None
        self.started = time.monotonic()
        self._phase_at = 0.0
        self._phase_name = ""

    def write(self, event: Event) -> None:
        """Append an event to the log, which buffers on a disk error: that never ends the run."""
        self.log.write(event)
        self.checkpoints_seen = self.checkpoints_seen or isinstance(event, Checkpoint)
        if isinstance(event, (Evaluation, Checkpoint)):  # both are rare, and cost more than a digest
            self.digest.update()

    @property
    def run(self) -> RunDirectory:
        """The run's directory where it was last found."""
        return self.location.run

    def locate(self) -> RunDirectory:
        """The run's directory where it is now; a move is reported in the log."""
        before = self.run
        found = self.location.find()
        if found is not before:
            self.write(Notice(level="info", code="N_MOVED", text=f"the run's directory is now {found.path}"))
        return found

    def progress(
        self, name: str, done: float | None = None, total: float | None = None, unit: str = ""
    ) -> None:
        """Report the progress of a long phase, at most twice a second.

        Raises:
            StopRequested: a stop was requested.
        """
        self.requests.raise_if_stopped()
        now = time.monotonic()
        finished = done is not None and done == total
        if name != self._phase_name or finished or now - self._phase_at >= PHASE_SECONDS:
            self._phase_name, self._phase_at = name, now
            self.write(Phase(name=name, done=done, total=total, unit=unit))

    def train(self) -> None:
        """Everything from the configuration to the last epoch."""
        self.write(Phase(name="start"))
        self.requests.raise_if_stopped()
        experiment = with_ranks(load_configuration(self.run), self.launched)
        ranks_started_here = 1 if self.launched is not None else experiment.compute.ranks
        with cores_divided(ranks_started_here) if ranks_started_here > 1 else contextlib.nullcontext():
            self._prepare(experiment)

    def _prepare(self, experiment: Experiment) -> None:
        """Everything from the device to the last epoch."""
        world = experiment.compute.ranks
        if self.launched is not None:
            self.write(Notice(level="info", code="N_RANKS", text=f"{world} ranks by {self.launched.by}"))
        elif world > 1:
            share_cores(world)
        device = self._choose_device(experiment.compute)
        if device.warning:
            self.write(Notice(level="warning", code="N_DEVICE", text=device.warning))
        devices = [device_of_rank(device.torch, rank, experiment.compute.cards) for rank in range(world)]
        if world > 1:
            device = replace(
                device,
                torch=devices[0],
                name=f"{world} x {device.name}",
                reason=f"{device.reason}; {experiment.schedule.batch_size // world} images each",
            )
        require_precision(experiment.compute.precision, device.torch)
        advice = faster_options(experiment, device)
        if advice:
            self.write(Notice(level="info", code="N_DEVICE", text=advice))
        prepare(device.torch, deterministic=experiment.compute.deterministic)
        self.write(Phase(name="data"))
        self._dataset = experiment.dataset
        damaged = view_run(self.run).damaged_files
        named = frozenset(file.name for file in damaged)
        data = run_polled(
            lambda progress: load_data(experiment, progress=progress, named=named),
            progress=self.progress,
            poll=self.requests.raise_if_stopped,
        )
        for text in data.notices:
            self.write(Notice(level="info", code="N_DATA", text=text))
        identity = DataIdentity(data.sets())
        self.write(Notice(level="info", code="N_IMAGES", text=identity.text()))
        report = DamagedReport(
            data,
            experiment.dataset,
            damaged,
            folder=lambda: self.locate().artifacts,
            write=self.write,
        )
        report.update()
        batches = build_batches(
            data.train,
            experiment,
            device.torch,
            notify=lambda text: self._report_optimisation("N_GRAPH", text, True),
            world=world,
        )
        try:
            with contextlib.closing(batches), self._other_ranks(devices) as ranks:
                self._train(experiment, device, data, identity, batches, report, ranks)
        finally:
            report.update(at_once=True)

    def _choose_device(self, compute: Compute) -> ChosenDevice:
        """The device of rank 0.

        Raises:
            DeviceError: it cannot be used, or there are fewer GPUs than ranks; those of a launcher may be on
                other machines.
        """
        if self.launched is not None:
            return choose_device(compute.device)
        if not compute.cards:
            device = choose_device(compute.device)
            require_devices(device.torch, compute)
            return device
        any_card = choose_device("cuda", setting=f"compute.devices={list(compute.cards)}")
        require_devices(any_card.torch, compute)
        return choose_device(compute.first_device)

    def _train(
        self,
        experiment: Experiment,
        device: ChosenDevice,
        data: Data,
        identity: DataIdentity,
        batches: Batches,
        report: DamagedReport,
        ranks: Ranks,
    ) -> None:
        method = move_to_device(build_method(experiment), device.torch)
        if ranks.world > 1:
            share_batch_norms(method)
        compiled = self._compile(method, experiment, device.torch)
        self.write(Phase(name="trial"))
        smoke_step(method, batches, data, experiment, device.torch, compiled, ranks)
        optimizer = build_optimizer(
            method.trainable_parameters(),
            experiment.optimizer,
            unscheduled=method.unscheduled_parameters(),
        )
        best: float | None = None
        kinds: tuple[str, ...] = ()
        found = newest_checkpoint(self.run.checkpoints, damaged=self._warn_damaged)
        logged = view_run(self.run) if self.log.attempt > 1 else None
        if found is not None:
            self.checkpoints_seen = True
            resumed = resume_from(
                found[1], method, optimizer, images=batches.images, split=batches.split, data=identity
            )
            self.position, best, kinds = resumed.position, resumed.best, resumed.kinds
        ranks.share_state(method, optimizer)
        if logged is not None:
            self._report_lost_work(logged)
        before = ranks.world if logged is None or logged.setup is None else logged.setup.ranks
        self._report_attempt(
            experiment,
            device,
            batches,
            parameters=sum(p.numel() for p in method.parameters()),
            ranks=ranks.world,
            same_sums=not self.position.step or before == ranks.world,
        )
        checkpoints = CheckpointManager(
            lambda: self.locate().checkpoints,
            experiment.checkpoint,
            write=self.write,
            sync_log=self.log.sync,
            best=best,
        )
        if found is not None:
            checkpoints.finish(found[0], kinds)
            self._report_orphan_checkpoint(found[0], kinds, logged)
        diagnostics = TrainingDiagnostics(
            method,
            seed=experiment.seed,
            resources=ResourceMonitor(device.torch, others=self._others),
            write=self.write,
        )
        embedding_map = EmbeddingMapWriter(
            data, experiment, folder=lambda: self.locate().artifacts, write=self.write
        )
        loop = TrainingLoop(
            experiment,
            method,
            optimizer,
            batches,
            device=device.torch,
            position=self.position,
            checkpoints=checkpoints,
            requests=self.requests,
            evaluate=partial(
                self._evaluate,
                method.encoder,
                data,
                experiment,
                device.torch,
                embedding_map,
                diagnostics,
                compiled,
                report,
                ranks,
            ),
            compiled=compiled,
            take_step=stepper(
                experiment.compute.compile,
                method,
                optimizer,
                partial(autocast, experiment.compute.precision, device.torch),
                device.torch,
                phase=lambda name: self.write(Phase(name=name)),
                notify=partial(self._report_optimisation, "N_GRAPH"),
                ranks=ranks,
            ),
            diagnostics=diagnostics,
            write=self.write,
            report_damaged=report.update,
            identity=identity.state(),
            ranks=ranks,
        )
        loop.train()

    @contextlib.contextmanager
    def _other_ranks(self, devices: Sequence[torch.device]) -> Iterator[Ranks]:
        """Start the other ranks on their devices, and end them after the block.

        Raises:
            RankLost, RankFailed: one has ended meanwhile.
        """
        if len(devices) == 1:
            yield ALONE
            return
        self.write(Phase(name="ranks"))
        in_order: Group | None = None
        others = OtherRanks(self.run, devices, launched=self.launched, abandon=self._abandon)
        self._others = others
        self.requests.watch = others.require_running
        try:
            group = others.form(self.requests.raise_if_stopped)
            yield group
            in_order = group
        except (StopRequested, WhiteningFailed, Diverged):  # raised between steps
            in_order = group
            raise
        except RuntimeError as error:
            others.explain(error)
            raise
        finally:
            self.requests.watch = lambda: None
            others.end(in_order)

    def _abandon(self, error: EngineError) -> None:
        """Report how the run ends and end this process, whose main thread waits for a rank that is lost."""
        self.end("failed", error)
        os._exit(FAILED)

    def _evaluate(
        self,
        encoder: torch.nn.Module,
        data: Data,
        experiment: Experiment,
        device: torch.device,
        embedding_map: EmbeddingMapWriter,
        diagnostics: TrainingDiagnostics,
        compiled: Compiled,
        report: DamagedReport,
        ranks: Ranks,
        *,
        epoch: int,
        step: int,
        final: bool,
    ) -> Evaluation | None:
        def progress(name: str, done: float, total: float, unit: str) -> None:
            self.progress(name, done, total, unit)
            diagnostics.measure(step)
            report.update()

        try:
            count_damaged(data.damaged(), ranks)  # while they trained
            with compiled.as_written():
                result = evaluate(
                    encoder,
                    data,
                    experiment,
                    device,
                    epoch=epoch,
                    step=step,
                    final=final,
                    progress=progress,
                    should_stop=self.requests.stop_requested,
                    use_features=embedding_map.use_features,
                    ranks=ranks,
                )
                embedding_map.write(
                    encoder,
                    device,
                    epoch=epoch,
                    step=step,
                    progress=progress,
                    should_stop=self.requests.stop_requested,
                    ranks=ranks,
                )
        except EvaluationInterrupted as error:
            raise StopRequested(self.requests.stop) from error
        return result

    def _compile(self, method: Method, experiment: Experiment, device: torch.device) -> Compiled:
        mode, size = experiment.compute.compile, experiment.dataset.crop
        if mode == "off":
            return Compiled()
        self.write(Phase(name="compile"))
        compiled = compile_networks(
            method.train(),
            mode,
            shape=(experiment.augmentation.views, experiment.schedule.batch_size, 3, size, size),
            autocast=partial(autocast, experiment.compute.precision, device),
        )
        self.write(
            Notice(level="warning" if compiled.fell_back else "info", code="N_COMPILE", text=compiled.text)
        )
        return compiled

    def _report_optimisation(self, code: str, text: str, fell_back: bool) -> None:
        """Report the outcome of compiling or recording: a warning where the step runs as written."""
        self.write(Notice(level="warning" if fell_back else "info", code=code, text=text))

    def _warn_damaged(self, error: CheckpointError) -> None:
        self.write(Notice(level="warning", code=error.code, text=f"{error}. An older one is tried."))

    def _report_attempt(
        self,
        experiment: Experiment,
        device: ChosenDevice,
        batches: Batches,
        *,
        parameters: int,
        ranks: int,
        same_sums: bool,
    ) -> None:
        deterministic = experiment.compute.deterministic
        self.stage = "training"
        self.write(
            Attempt(
                resume_step=self.position.step,
                epochs=experiment.schedule.epochs,
                steps_per_epoch=batches.steps_per_epoch,
                device=device.name,
                device_reason=device.reason,
                loader=batches.kind,
                loader_reason=batches.reason,
                train_images=batches.images,
                train_split=batches.split,
                parameters=parameters,
                deterministic=deterministic,
                exact=same_sums and (deterministic or device.torch.type == "cpu"),
                pid=os.getpid(),
                host=socket.gethostname(),
                versions=(
                    ("wmse_tui", __version__),
                    ("python", platform.python_version()),
                    ("torch", torch.__version__),
                    ("torchvision", torchvision.__version__),
                ),
                ranks=ranks,
            )
        )
        self.log.sync()

    def _report_lost_work(self, logged: RunState) -> None:
        """Report that a checkpoint of the log is not there, or none was saved: more than usual is lost."""
        lost = lost_work(logged, self.position.step or None)
        if lost is not None:
            self.write(Notice(level="warning", code="N_LOST_WORK", text=lost.text()))

    def _report_orphan_checkpoint(self, path: Path, kinds: tuple[str, ...], logged: RunState | None) -> None:
        """Report the checkpoint that is resumed, if the attempt that made it died before it could."""
        if logged is None or all(known.file != path.name for known in logged.checkpoints):
            saved = saved_checkpoint(path)
            self.write(
                Checkpoint(
                    step=self.position.step,
                    epoch=self.position.epoch,
                    file=path.name,
                    sha256=saved.sha256,
                    bytes=saved.bytes,
                    kinds=kinds,
                    seconds=0.0,
                )
            )

    def saved(self) -> str:
        """What a person still has after a failure."""
        folder = self.locate().checkpoints
        try:
            os.scandir(folder).close()  # raises where it is not there: `step_checkpoints` lists none then
            found = [path.name for path in step_checkpoints(folder)]
        except OSError as error:
            return f"unknown: {folder} cannot be read ({error.strerror})"
        if not found and self.checkpoints_seen:  # the directory is being removed, or moved to another disk
            return f"unknown: {folder} has none of the checkpoints that were saved"
        if not found:
            return "nothing yet: the run had no checkpoint"
        return f"checkpoint {found[-1]}; the run can be resumed from it"

    def _image_names(self, error: Exception) -> tuple[str, ...]:
        """The image files that an error is about, as later attempts know them."""
        files = error.files if isinstance(error, (DataError, RankFailed)) else ()
        return tuple(image_name(self._dataset, path) for path in files) if self._dataset is not None else ()

    def end(self, status: Status, failure: Exception | None = None) -> None:
        """The last events of the attempt: why it fails, if it does, and how it ends."""
        disk_reserve.free(self.run)  # on a full disk this is the space for what follows
        if failure is not None:
            event = error_event(
                failure, saved=self.saved(), stage=self.stage, files=self._image_names(failure)
            )
            self.write(event)
            with contextlib.suppress(OSError):
                print(event.traceback, end="", flush=True)  # noqa: T201  into trainer.log
        self.write(
            Exit(
                status=status,
                step=self.position.step,
                epoch=self.position.epoch,
                seconds=time.monotonic() - self.started,
            )
        )
        self.log.sync()
        self.digest.update(last=True)


def run_session(
    path: os.PathLike[str] | str, signals: StopSignals | None = None, launched: Launched | None = None
) -> int:
    """Make one attempt at the run in directory `path`; returns the trainer's exit code.

    Args:
        path: the directory.
        signals: they have been listening since the process began; None: listen from here on.
        launched: as which of several ranks a launcher started this process; None: it starts others itself.
    """
    if signals is None:
        signals = StopSignals()
        signals.listen()
    run = RunDirectory(Path(path).resolve())
    try:
        require_own(run)
        with RunLock(run), contextlib.closing(RunLocation(run)) as location, _opened_log(run) as log:
            session = Session(location, log, signals, launched)
            session.requests.refuse_stale()
            write_trainer(run, attempt=log.attempt)
            disk_reserve.preallocate(run)
            for problem in start_followers(run):
                log.write(Notice(level="warning", code="N_FOLLOWER", text=f"not published: {problem}"))
            return _ended(session, session.train)
    except RunsError as error:  # without lock or log there is only trainer.log
        with contextlib.suppress(OSError):
            print(safe(str(error)), *(f"  - {safe(step)}" for step in error.next), sep="\n", flush=True)  # noqa: T201
        return BUSY if isinstance(error, RunBusy) else FAILED


def _ended(session: Session, train: Callable[[], None]) -> int:
    """Run `train` and report how it ended in the log."""
    status: Status = "completed"
    code = COMPLETED
    failure: Exception | None = None
    try:
        train()
    except StopRequested:
        status, code = "stopped", STOPPED
    except (WhiteningFailed, Diverged) as error:
        status, code, failure = "diverged", DIVERGED, error
    except ConfigError as error:
        status, code, failure = "failed", BAD_CONFIG, error
    except Exception as error:  # noqa: BLE001  top-level handler: every error is reported
        status, code, failure = "failed", FAILED, error
    session.end(status, failure)
    return code


@contextlib.contextmanager
def _opened_log(run: RunDirectory) -> Iterator[EventWriter]:
    log = EventWriter(run.events)
    try:
        log.begin_attempt()
        yield log
    finally:
        log.close()
