"""A training by several ranks: its ends, requests, failures and resumption, with real processes."""

from __future__ import annotations

import errno
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, NoReturn

import psutil
import pytest
import torch
from forked_ranks import fork_rank, forked
from forked_trainers import ForkedTrainer, start_trainer

from wmse_tui.engine.data.pipelines import Batches, build_batches
from wmse_tui.engine.distribution import heartbeats, other_ranks
from wmse_tui.engine.distribution import ranks as distribution
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation.checkpoint_evaluation import EvaluationRequest, evaluate_checkpoint
from wmse_tui.engine.evaluation.interruption import no_progress
from wmse_tui.engine.training import checkpoint_manager, failures, rank_training, requests, session
from wmse_tui.engine.training.checkpoints import read_checkpoint
from wmse_tui.engine.training.loop import TrainingLoop
from wmse_tui.engine.training.session import BAD_CONFIG, DIVERGED, FAILED, STOPPED, Session, run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Control, Error, Evaluation, Exit, Resources, Steps
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.process.control import request
from wmse_tui.runs.process.identity import host
from wmse_tui.runs.process.rank_launcher import Launched
from wmse_tui.runs.process.rebind import rebind_run

MakeRun = Callable[..., RunDirectory]
AtStep = Callable[[int, Callable[[TrainingLoop], object]], None]
TWO = ("compute.devices=2", "evaluation.every=3")
LONG = (*TWO, "schedule.epochs=400", "evaluation.every=400", "checkpoint.every_minutes=0.001")


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> list[ForkedTrainer]:
    """Ranks are forked, requests are read at every step; this is the list of the ranks."""
    processes: list[ForkedTrainer] = []

    def start(*arguments: Any, **options: Any) -> ForkedTrainer:
        processes.append(fork_rank(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(other_ranks, "start_rank", start)
    monkeypatch.setattr(requests, "POLL_SECONDS", 0.0)
    return processes


def events_of(run: RunDirectory, kind: type[Any], attempt: int = 0) -> list[Any]:
    records = [record for record in EventReader(run.events).poll() if record.attempt >= attempt]
    return [record.event for record in records if isinstance(record.event, kind)]


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[TrainingLoop], object]], None]:
    """Arranges that something happens once, when rank 0 has completed a step."""
    actions: dict[int, Callable[[TrainingLoop], object]] = {}
    at_boundary = TrainingLoop._at_boundary

    def act_there(loop: TrainingLoop) -> None:
        if action := actions.pop(loop.position.step, None):
            action(loop)
        at_boundary(loop)

    monkeypatch.setattr(TrainingLoop, "_at_boundary", act_there)
    return actions.__setitem__


def test_two_ranks_train_as_one_process_does(make_run: MakeRun) -> None:
    """float32: the sums have another order, so the first loss is equal to rounding alone."""
    shared, alone = make_run(*TWO, name="shared"), make_run("evaluation.every=3", name="alone")
    assert run_session(shared.path) == run_session(alone.path) == 0
    first, expected = (events_of(run, Steps)[0].loss[0] for run in (shared, alone))
    assert first == pytest.approx(expected, rel=1e-5)
    attempt = events_of(shared, Attempt)[0]
    assert attempt.device.startswith("2 x CPU")
    assert (attempt.ranks, attempt.exact) == (2, True)
    assert "8 images each" in attempt.device_reason
    loads, lonely = (events_of(run, Resources)[-1] for run in (shared, alone))
    assert [(load.rank, load.host) for load in loads.ranks][:1] == [(0, host())]
    assert loads.cpu == pytest.approx(sum(load.cpu for load in loads.ranks), rel=1e-6)  # of nine digits
    assert lonely.ranks == ()
    before, after = events_of(shared, Evaluation)
    assert before.knn == events_of(alone, Evaluation)[0].knn
    found = evaluate_checkpoint(EvaluationRequest(shared.path), progress=no_progress)
    assert (found["step"], found["knn"]) == (after.step, asdict(after.knn)), "by one process"


def test_stopped_then_killed_then_resumed_gives_the_same_bits(
    make_run: MakeRun, at_step: AtStep, started: list[ForkedTrainer]
) -> None:
    undisturbed = make_run(*TWO, name="undisturbed")
    assert run_session(undisturbed.path) == 0

    run = make_run(*TWO, "checkpoint.every_minutes=0.001", name="disturbed")
    at_step(4, lambda _: request(run, "stop"))
    assert run_session(run.path) == STOPPED
    assert started[-1].poll() == 0

    at_step(11, lambda _: started[-1].kill())
    assert run_session(run.path) == FAILED
    [error] = events_of(run, Error)
    who = f"process {started[-1].pid} (cpu, {socket.gethostname()})"
    assert (error.code, error.title) == ("E_RANK", "rank 1 of 2 is lost")
    assert error.detail == f"{who} ended by signal 9 (SIGKILL)"
    assert error.saved.startswith("checkpoint step-")
    assert error.next[0].startswith("resume the run")
    assert [event.status for event in events_of(run, Exit)] == ["stopped", "failed"]

    def kill_all(_: TrainingLoop) -> None:
        started[-1].kill()
        os.kill(os.getpid(), signal.SIGKILL)

    at_step(14, kill_all)
    assert forked(lambda: run_session(run.path)).wait(60) == -signal.SIGKILL
    at_step(14, lambda _: None)

    assert run_session(run.path) == 0
    assert [attempt.resume_step > 0 for attempt in events_of(run, Attempt)] == [False, True, True, True]
    assert all(attempt.exact for attempt in events_of(run, Attempt))
    ours, theirs = (read_checkpoint(each.checkpoints / "final.pt")["method"] for each in (run, undisturbed))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_resumes_on_another_number_of_ranks(make_run: MakeRun, at_step: AtStep) -> None:
    run = make_run(*TWO)
    at_step(8, lambda _: request(run, "stop"))
    assert run_session(run.path) == STOPPED
    rebind_run(run, ["compute.devices=1"])
    assert run_session(run.path) == 0
    first, second = events_of(run, Attempt)
    assert (first.ranks, first.exact) == (2, True)
    assert (second.ranks, second.exact, second.resume_step) == (1, False, 8)


def test_a_rank_that_is_suspended_ends_the_run(
    make_run: MakeRun, at_step: AtStep, started: list[ForkedTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    run = make_run(*TWO)
    at_step(8, lambda _: started[-1].send_signal(signal.SIGSTOP))
    assert run_session(run.path) == FAILED
    [error] = events_of(run, Error)
    assert error.code == "E_RANK"
    assert "showed no sign of life" in error.detail
    assert started[-1].poll() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_rank_that_is_lost_in_an_evaluation_ends_the_run(
    make_run: MakeRun, started: list[ForkedTrainer], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(rank_training, "evaluate", lambda *_, **__: os.kill(os.getpid(), number))
    run = make_run(*TWO, "evaluation.batch_size=8")
    assert run_session(run.path) == FAILED
    [error] = events_of(run, Error)
    who = f"process {started[-1].pid} (cpu, {socket.gethostname()})"
    assert (error.code, error.title) == ("E_RANK", "rank 1 of 2 is lost")
    assert error.detail.startswith(who)
    assert not events_of(run, Evaluation)


def test_a_stop_during_an_evaluation_ends_all_in_order(
    make_run: MakeRun, started: list[ForkedTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(*TWO, "evaluation.batch_size=8")
    progress = Session.progress

    def stop_there(self: Session, name: str, *arguments: Any) -> None:
        if name == "features":
            request(run, "stop")
        progress(self, name, *arguments)

    monkeypatch.setattr(Session, "progress", stop_there)
    assert run_session(run.path) == STOPPED
    assert started[-1].poll() == 0
    assert not events_of(run, Evaluation)
    assert events_of(run, Exit)[0].step == 0


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_whose_main_thread_hangs_ends_the_run(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    """An image that never arrives, in the second epoch: no signal, no exception, and the process runs."""
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)

    def build(*arguments: Any, **options: Any) -> Batches:
        batches = build_batches(*arguments, **options)
        epoch = batches.epoch

        def hanging(number: int, start_batch: int = 0) -> Iterator[torch.Tensor]:
            for batch, views in enumerate(epoch(number, start_batch), start_batch):
                if (number, batch) == (1, 2):
                    threading.Event().wait()
                yield views

        monkeypatch.setattr(batches, "epoch", hanging)
        return batches

    monkeypatch.setattr(rank_training if rank else session, "build_batches", build)
    run = make_run(*TWO)
    assert forked(lambda: run_session(run.path)).wait(60) == FAILED
    [error] = events_of(run, Error)
    assert (error.code, error.title) == ("E_RANK", f"rank {rank}: no progress in the images of step 9")
    assert error.detail.startswith("it has computed and read nothing for 1 s (process ")
    assert "trainer.log has the stacks" in error.next[1]
    assert [event.status for event in events_of(run, Exit)] == ["failed"]


@pytest.mark.parametrize(
    ("failure", "code", "title"),
    [
        (MemoryError("not for this rank"), "E_MEMORY", "rank 1: not enough memory in this machine"),
        (torch.OutOfMemoryError("CUDA out of memory. GPU 1"), "E_GPU_OOM", "rank 1: not enough GPU memory"),
    ],
    ids=["memory", "memory of a GPU"],
)
def test_a_rank_that_ends_before_the_group_is_formed_ends_the_run(
    make_run: MakeRun,
    started: list[ForkedTrainer],
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    code: str,
    title: str,
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(failures, "gpu_users", lambda: ("card 5, A card: 79 GB of 80 GB used",))
    monkeypatch.setattr(rank_training, "load_data", no_memory)
    run = make_run(*TWO)
    assert run_session(run.path) == FAILED
    [error] = events_of(run, Error)
    assert (error.code, error.title) == (code, title)
    assert error.stage == "start"
    what, *evidence = error.detail.splitlines()
    assert what.startswith(str(failure))
    assert what.endswith(f" (process {started[-1].pid} (cpu, {socket.gethostname()}))")
    assert evidence == (["card 5, A card: 79 GB of 80 GB used"] if code == "E_GPU_OOM" else [])


def test_an_image_that_a_rank_cannot_read_is_reported_as_by_one_process(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> NoReturn:
        raise DataError(
            "an image cannot be read", "broken.png", next=("repair it",), files=("/data/broken.png",)
        )

    def build(*arguments: Any, **options: Any) -> Batches:
        batches = build_batches(*arguments, **options)
        monkeypatch.setattr(batches, "epoch", unreadable)
        return batches

    monkeypatch.setattr(rank_training, "build_batches", build)
    run = make_run(*TWO)
    assert run_session(run.path) == FAILED
    [error] = events_of(run, Error)
    assert (error.code, error.title, error.next) == (
        "E_DATA",
        "rank 1: an image cannot be read",
        ("repair it",),
    )
    assert error.detail.startswith("broken.png (process ")


def test_a_signal_to_any_rank_stops_all_in_order(
    make_run: MakeRun, at_step: AtStep, started: list[ForkedTrainer]
) -> None:
    run = make_run(*LONG)
    at_step(8, lambda _: started[-1].send_signal(signal.SIGTERM))
    assert run_session(run.path) == STOPPED
    assert started[-1].poll() == 0
    assert events_of(run, Exit)[0].step >= 8


def test_a_signal_to_rank_0_while_it_is_paused_takes_no_further_step(
    make_run: MakeRun, at_step: AtStep
) -> None:
    run = make_run(*LONG)

    def pause(_: TrainingLoop) -> None:
        request(run, "pause")
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()

    at_step(4, pause)
    assert forked(lambda: run_session(run.path)).wait(60) == STOPPED
    assert events_of(run, Exit)[0].step == 4


def test_each_request_is_obeyed_once(
    make_run: MakeRun, at_step: AtStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the one for a checkpoint that a full disk refuses, which the other ranks never notice."""
    run = make_run(*LONG)
    full = monkeypatch.context()

    def fill_the_disk(_: TrainingLoop) -> None:
        full.__enter__().setattr(checkpoint_manager, "save_checkpoint", no_space)
        request(run, "checkpoint")

    def empty_the_disk(_: TrainingLoop) -> None:
        full.__exit__(None, None, None)

    at_step(1, fill_the_disk)
    at_step(2, empty_the_disk)
    at_step(3, lambda _: request(run, "evaluate"))
    at_step(4, lambda _: request(run, "checkpoint"))

    def pause(_: TrainingLoop) -> None:
        request(run, "pause")
        threading.Timer(0.3, lambda: request(run, "resume")).start()

    at_step(6, pause)
    at_step(8, lambda _: request(run, "stop"))
    assert run_session(run.path) == STOPPED
    answers = Counter((answer.command, answer.outcome) for answer in events_of(run, Control))
    assert answers == {
        ("evaluate", "accepted"): 1,
        ("evaluate", "done"): 1,
        ("checkpoint", "accepted"): 2,
        ("checkpoint", "refused"): 1,
        ("checkpoint", "done"): 1,
        ("pause", "accepted"): 1,
        ("resume", "done"): 1,
        ("stop", "accepted"): 1,
    }
    assert [evaluation.step for evaluation in events_of(run, Evaluation)] == [0, 3]
    assert events_of(run, Exit)[0].step == 8


def no_space(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def poison(loop: TrainingLoop) -> None:
    """As a broken kernel of one device would."""
    with torch.no_grad():
        next(loop.method.projector.parameters()).fill_(torch.nan)


@pytest.mark.parametrize(
    ("method", "title", "evidence"),
    [
        ("w_mse", "the embeddings to be whitened are not all finite", "NaN"),
        ("simclr", "the loss is not finite", "step 9 (epoch 2), loss nan"),
    ],
)
def test_a_loss_that_is_not_finite_is_explained_as_by_one_process(
    make_run: MakeRun, at_step: AtStep, started: list[ForkedTrainer], method: str, title: str, evidence: str
) -> None:
    run = make_run(*TWO, f"method.name={method}")
    at_step(8, poison)
    assert run_session(run.path) == DIVERGED
    [error] = events_of(run, Error)
    assert error.title == title
    assert evidence in error.detail
    assert started[-1].poll() == 0


def test_ranks_whose_weights_differ_end_the_run(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "digest", lambda _: torch.distributed.get_rank())
    run = make_run(*TWO)
    assert run_session(run.path) == FAILED
    [error] = events_of(run, Error)
    assert error.code == "E_RANKS_DIFFER"
    assert error.detail.startswith(f"rank 1 (cpu, {socket.gethostname()}) of 2 ")


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow_faults)]
)
def test_no_rank_outlives_rank_0(make_run: MakeRun, number: signal.Signals) -> None:
    run = make_run(*LONG)
    trainer = start_trainer(run)
    while not events_of(run, Steps):
        assert trainer.poll() is None
        time.sleep(0.03)
    processes = psutil.Process(trainer.pid).children()
    assert processes
    trainer.send_signal(number)
    assert trainer.wait(30) == -signal.SIGKILL
    assert not psutil.wait_procs(processes, timeout=30)[1]


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunDirectory], list[ForkedTrainer]]:
    """Starts two ranks as torchrun does."""

    def start(run: RunDirectory) -> list[ForkedTrainer]:
        trainers = []
        for rank in ("1", "0"):
            for name in ("RANK", "LOCAL_RANK"):
                monkeypatch.setenv(name, rank)
            for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
                monkeypatch.setenv(name, "2")
            trainers.append(start_trainer(run))
        return trainers[::-1]

    return start


def test_ranks_of_a_launcher_give_the_bits_of_ranks_that_rank_0_starts(
    make_run: MakeRun, launch: Callable[[RunDirectory], list[ForkedTrainer]]
) -> None:
    run, undisturbed = make_run("evaluation.every=3", name="launched"), make_run(*TWO, name="started")
    run.rendezvous.write_text('{"host": "127.0.0.1", "port": 1, "world": 2}')  # of an earlier attempt
    launched = launch(run)
    assert run_session(undisturbed.path) == 0
    assert [trainer.wait(60) for trainer in launched] == [0, 0]
    assert [attempt.ranks for attempt in events_of(run, Attempt)] == [2]
    ours, theirs = (read_checkpoint(each.checkpoints / "final.pt")["method"] for each in (run, undisturbed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_rank_of_a_launcher_that_is_killed_ends_the_run(
    make_run: MakeRun, launch: Callable[[RunDirectory], list[ForkedTrainer]]
) -> None:
    run = make_run("schedule.epochs=400", "evaluation.every=400")
    rank_0, rank_1 = launch(run)
    while not events_of(run, Steps):
        assert rank_0.poll() is None
        time.sleep(0.03)
    rank_1.kill()
    assert rank_0.wait(60) == FAILED
    [error] = events_of(run, Error)
    assert error.code == "E_RANK"
    assert error.detail == f"process {rank_1.pid} (cpu, {socket.gethostname()}) has ended"


def test_a_batch_that_a_launcher_s_ranks_cannot_divide_is_refused(make_run: MakeRun) -> None:
    run = make_run()
    assert run_session(run.path, launched=Launched("torchrun", 0, 3, 0, True)) == BAD_CONFIG
    [error] = events_of(run, Error)
    assert "16 images cannot be divided among 3 devices" in error.detail
