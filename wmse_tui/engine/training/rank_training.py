"""What a rank other than 0 does: the steps and evaluations that rank 0 announces, on its part of each."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import Data, load_data
from wmse_tui.engine.data.pipelines import Batches, build_batches
from wmse_tui.engine.distribution.attempt_of_rank_0 import AttemptOfRank0
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.heartbeats import SILENT_SECONDS, Heartbeats
from wmse_tui.engine.distribution.main_thread import MainThreadWatch, no_progress
from wmse_tui.engine.distribution.other_ranks import device_of_launched, join_group, share_cores
from wmse_tui.engine.distribution.ranks import Group, Kind, Message
from wmse_tui.engine.distribution.rendezvous import find_rank_0
from wmse_tui.engine.distribution.roster import LOOPBACK, RankFailure, Roster
from wmse_tui.engine.errors import DataError, RankLost, WhiteningFailed
from wmse_tui.engine.evaluation import EvaluationInterrupted, evaluate
from wmse_tui.engine.evaluation.dealt_batches import count_damaged
from wmse_tui.engine.evaluation.lidar import encoder_lidar
from wmse_tui.engine.methods import Method, build_method, move_to_device
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training.device import choose_device, prepare
from wmse_tui.engine.training.failures import error_event
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.rank_loads import LoadReports
from wmse_tui.engine.training.smoke_step import evaluation_batch, trial_step
from wmse_tui.engine.training.stepping import EagerStepper, restored
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.cores import cores_divided
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.identity import Process, send_signal
from wmse_tui.runs.process.rank_launcher import Launched
from wmse_tui.runs.state.config import load_configuration
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.text.sanitize import safe


def follow_parent(path: str, *, rank: int, world: int, port: int, device: str) -> int:
    """Take part in the training of the run in folder `path`, whose rank 0 has started this process.

    Args:
        path: of the run.
        rank, world: which of how many.
        port: where rank 0 serves the store.
        device: the torch device of this rank.

    Returns:
        The exit code: 0, or 1 after a failure, which rank 0 reports.
    """
    share_cores(world)
    roster = Roster.connect(LOOPBACK, port, rank, world)
    with cores_divided(world):
        return _follow(RunDirectory(Path(path)), roster, lambda _: torch.device(device))


def follow_launched(attempt: AttemptOfRank0, launched: Launched) -> int:
    """As `follow_parent`, where a launcher has started all ranks.

    Args:
        attempt: of rank 0.
        launched: which of how many ranks this one is.
    """
    try:
        roster = find_rank_0(attempt, launched.rank, launched.world)
    except RankLost as error:
        print(safe(str(error)), *(f"  - {safe(step)}" for step in error.next), sep="\n", flush=True)  # noqa: T201
        return 1
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # rank 0 gets them too, and ends all in order

    def device(experiment: Experiment) -> torch.device:
        return device_of_launched(choose_device(experiment.compute.device).torch, launched)

    return _follow(attempt.run, roster, device)


def _follow(run: RunDirectory, roster: Roster, device_for: Callable[[Experiment], torch.device]) -> int:
    rank_0 = roster.member(0)
    assert rank_0 is not None  # it joins before others can find it
    heartbeats = Heartbeats(roster, (0,), lambda _: _end_with(rank_0.process))
    watch = MainThreadWatch(partial(_hangs, roster))
    try:
        experiment = load_configuration(run)
        device = device_for(experiment)
        roster.join(device)
        _train(run, experiment, roster, device)
    except Exception as error:  # noqa: BLE001  top-level handler: rank 0 reports it
        traceback.print_exc()  # into trainer.log
        event = error_event(error, saved="", stage="training")
        files = error.files if isinstance(error, DataError) else ()
        with contextlib.suppress(RuntimeError):  # rank 0 has ended: its end was the cause
            roster.report_failure(RankFailure(event.code, event.title, event.detail, event.next, files))
        return 1
    finally:
        watch.end()
        heartbeats.end()
    return 0


def _hangs(roster: Roster, task: str) -> NoReturn:
    """The main thread cannot report it: let rank 0 do so, and end."""
    with contextlib.suppress(RuntimeError):  # rank 0 has ended
        own = Roster(roster.another_connection(), roster.rank, roster.world)
        own.report_failure(no_progress(task))
    os._exit(1)


def _end_with(rank_0: Process) -> None:
    """Rank 0 is stopped, or has ended: nothing continues without it, and no device is to wait for it."""
    print(f"rank 0 showed no sign of life for {SILENT_SECONDS:.0f} s: the run is ended", flush=True)  # noqa: T201
    send_signal(rank_0, signal.SIGKILL)
    os._exit(1)


def _train(run: RunDirectory, experiment: Experiment, roster: Roster, device: torch.device) -> None:
    rank, world = roster.rank, roster.world
    prepare(device, deterministic=experiment.compute.deterministic)
    named = frozenset(file.name for file in view_run(run).damaged_files)
    data = load_data(experiment, progress=lambda *_: None, named=named)
    with contextlib.closing(build_batches(data.train, experiment, device, rank=rank, world=world)) as batches:
        method = move_to_device(build_method(experiment), device)
        share_batch_norms(method)
        roster.be_ready()
        loads = LoadReports(roster, device)
        group = join_group(rank, world, roster.another_connection(), device)
        _Follower(experiment, method, batches, data, device, group).follow()
        loads.end()
        with contextlib.suppress(RuntimeError):  # rank 0 has not waited for it
            roster.leave()
        dist.destroy_process_group()


class _Follower:
    """Obeys the announcements of rank 0."""

    def __init__(
        self,
        experiment: Experiment,
        method: Method,
        batches: Batches,
        data: Data,
        device: torch.device,
        group: Group,
    ) -> None:
        self._experiment = experiment
        self._method = method
        self._batches = batches
        self._data = data
        self._device = device
        self._group = group
        self._autocast = partial(autocast, experiment.compute.precision, device)
        self._epoch: Iterator[Tensor] = iter(())
        self._next = (-1, -1)

    def follow(self) -> None:
        """Do what is announced until the end is."""
        method, group, seed = self._method, self._group, self._experiment.seed
        if group.receive().kind is not Kind.TRIAL:
            return
        with restored(method, self._device):
            trial_step(method, self._batches, self._experiment, self._device, group)
            evaluation_batch(method, self._data, self._experiment, self._device)
        optimizer = build_optimizer(
            method.trainable_parameters(),
            self._experiment.optimizer,
            unscheduled=method.unscheduled_parameters(),
        )
        take_step = EagerStepper(method, optimizer, self._autocast, ranks=group)
        method.train()
        while True:
            message = group.receive()
            match message.kind:
                case Kind.STATE:
                    group.share_state(method, optimizer)
                case Kind.STEP:
                    # What cannot be whitened is no less so at rank 0, which then announces what follows.
                    with contextlib.suppress(WhiteningFailed):
                        take_step(
                            self._views(message),
                            step_key=(seed, message.step),
                            lr=message.lr,
                            progress=message.progress,
                        )
                case Kind.FORWARD:
                    views = self._views(message)
                    with (
                        contextlib.suppress(WhiteningFailed),
                        torch.no_grad(),
                        self._autocast(),
                        group.shared_step(),
                    ):
                        method(views, step_key=(seed, message.step))
                case Kind.COMPARE:
                    group.compare(method)
                    with contextlib.suppress(EvaluationInterrupted):
                        count_damaged(self._data.damaged(), group)
                case Kind.EVALUATE | Kind.LIDAR:
                    with contextlib.suppress(EvaluationInterrupted):
                        self._evaluate(message)
                case _:
                    return

    def _evaluate(self, message: Message) -> None:
        """This rank's batches of an evaluation. Raises EvaluationInterrupted: rank 0 does not continue."""
        encoder, data, experiment = self._method.encoder, self._data, self._experiment
        if message.kind is Kind.LIDAR:
            encoder_lidar(encoder, data.train, experiment, self._device, ranks=self._group)
            return
        evaluate(
            encoder,
            data,
            experiment,
            self._device,
            epoch=message.epoch,
            step=message.step,
            final=message.final,
            ranks=self._group,
        )

    def _views(self, message: Message) -> Tensor:
        """This rank's part of a batch."""
        if (message.epoch, message.batch) != self._next:
            batches = self._batches.epoch(message.epoch, start_batch=message.batch)
            self._epoch = iter(self._group.fetched(batches, message.step))
        self._next = (message.epoch, message.batch + 1)
        return next(self._epoch)
