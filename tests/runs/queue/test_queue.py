"""The queue with real waiting processes and a stand-in for the trainer (tests/support/queued_runs.py)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from queued_runs import CONFIG, HERE, QueuedRuns

from wmse_tui.runs.directory import create_run
from wmse_tui.runs.errors import NotQueued, RunQueued, StorageError, TooFewSlots
from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.queue import gpu_slots, positions, tickets
from wmse_tui.runs.queue.enqueue import enqueue
from wmse_tui.runs.queue.gpu_slots import (
    DeviceRequest,
    device_request,
    make_folders,
    mark_slots_busy,
    use_of,
)
from wmse_tui.runs.state.watch import view_run

Eventually = Callable[[Callable[[], object]], None]


def test_one_after_the_other_in_order_and_never_two(queued: QueuedRuns, eventually: Eventually) -> None:
    runs = [queued.queue(name) for name in "abcd"]
    eventually(lambda: queued.starts_and_ends == ["+a"])
    assert [view_run(run).status for run in runs[1:]] == ["queued"] * 3
    positions.forget()
    assert [view_run(run).position for run in runs[1:]] == [1, 2, 3]
    assert use_of("machine") == "used by a"
    queued.go()
    eventually(lambda: len(queued.starts_and_ends) == 8)
    assert queued.starts_and_ends == ["+a", "-a", "+b", "-b", "+c", "-c", "+d", "-d"]
    assert [queued.processes[name].wait(60) for name in "abcd"] == [0] * 4
    assert tickets.entries() == ()
    assert not any(run.queue_lock.exists() for run in runs)
    assert use_of("machine") == ""


def test_two_slots_train_two_and_a_request_for_one_of_them_waits_for_that(
    queued: QueuedRuns, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pynvml.py").write_text(FREE_CARDS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    both, one = DeviceRequest(("GPU-a", "GPU-b"), ("GPU-a", "GPU-b")), DeviceRequest(("GPU-a",), ("GPU-a",))
    for name, wanted in (("a", both), ("b", one), ("c", both)):
        queued.queue(name, wanted=wanted)
    eventually(lambda: len(queued.starts_and_ends) == 2)
    assert sorted(queued.starts_and_ends) == ["+a", "+c"], (
        "b wants the card of a, and c passes it by the other"
    )
    queued.go()
    eventually(lambda: len(queued.starts_and_ends) == 6)


FREE_CARDS = """
from types import SimpleNamespace
class NVMLError(Exception): pass
def nvmlInit(): pass
def nvmlDeviceGetHandleByUUID(uuid): return uuid
def nvmlDeviceGetComputeRunningProcesses(card): return []
def nvmlDeviceGetMemoryInfo(card): return SimpleNamespace(used=1, total=100)
"""


def test_a_run_of_several_cards_is_not_overtaken_and_a_crash_frees_all_of_them(
    queued: QueuedRuns, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pynvml.py").write_text(FREE_CARDS)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    cards = ("GPU-a", "GPU-b", "GPU-c")
    for name, number in (("one", 1), ("pair", 2)):
        queued.queue(name, wanted=DeviceRequest(cards, cards, count=number))
        eventually(lambda: queued.starts_and_ends[-1:] == [f"+{name}"])  # noqa: B023 (called at once)
    assert [use_of(card, ask_gpu=False) for card in cards] == ["used by one", *["used by pair"] * 2]
    every, _ = (
        queued.queue(n, wanted=DeviceRequest(cards, cards, count=c)) for n, c in (("all", 3), ("late", 1))
    )
    queued.processes["one"].kill()
    eventually(lambda: not use_of("GPU-a", ask_gpu=False))
    time.sleep(1.0)  # the waiting processes poll several times
    assert queued.starts_and_ends == ["+one", "+pair"], "the free card stays free for `all`"
    tickets_now = tickets.entries()
    assert [positions.reserved_for(card, tickets_now) for card in cards] == ["all"] * 3
    assert [positions.waiting_reason(entry, tickets_now) for entry in tickets_now] == [
        "next: 1 of 3 GPUs free; used by pair",
        "position 2 in the queue, behind all, which waits for 3 GPUs",
    ]
    assert positions.busy_reason(DeviceRequest(cards, cards)).endswith("; 2 runs wait in the queue.")
    positions.hold(every)
    eventually(lambda: queued.starts_and_ends == ["+one", "+pair", "+late"])
    assert (queued.root / "slotGPU-a").exists()
    positions.release(every)
    for name in ("late", "pair"):
        queued.processes[name].kill()
    eventually(lambda: queued.starts_and_ends[-1] == "+all")
    assert (queued.root / "slotGPU-a,GPU-b,GPU-c").exists(), "CUDA_VISIBLE_DEVICES lists its cards"
    assert [use_of(card, ask_gpu=False) for card in cards] == ["used by all"] * 3
    queued.processes["all"].kill()
    eventually(lambda: not any(use_of(card, ask_gpu=False) for card in cards))


def test_more_cards_than_there_are_slots_are_refused_before_the_run_waits(
    queued: QueuedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_slots, "gpu_uuids", lambda: ("GPU-a", "GPU-b"))
    assert device_request("auto", 2) == DeviceRequest(("GPU-a", "GPU-b"), ("GPU-a", "GPU-b"), count=2)
    assert device_request("auto", (1,)) == device_request("cuda:1")
    both = ("GPU-a", "GPU-b")
    assert device_request("cuda", (1, 0)) == DeviceRequest(("GPU-b", "GPU-a"), both, pinned=True, count=2)
    assert device_request("cpu", 4) == HERE
    assert device_request("cuda:1") == DeviceRequest(("GPU-b",), ("GPU-a", "GPU-b"), pinned=True)
    for compute, message in (
        ("{devices: 4}", r"compute.devices=4 needs 4 slots: the queue has 2 slots for this run"),
        ("{devices: [0, 2]}", r"compute.devices=\[0, 2\] needs 3 GPUs: the queue has 2 slots"),
        ("{device: 'cuda:5'}", r"compute.device=cuda:5 needs 6 GPUs: the queue has 2 slots"),
    ):
        run = create_run(
            queued.root,
            CONFIG.replace("{device: cpu}", compute),
            name=f"of-{len(compute)}",
        )
        with pytest.raises(TooFewSlots, match=message):
            enqueue(run)
        assert (tickets.entries(), run.queue_lock.exists()) == ((), False)
    marked = mark_slots_busy("cuda", 2)
    assert use_of("GPU-b") == "used by a run that was started past the queue"
    for descriptor in marked:
        os.close(descriptor)


@pytest.mark.parametrize("count", ["0", "2", "-1", "true", "1.0", '"1"', "null"])
def test_a_ticket_for_an_impossible_number_of_slots_is_none(queued: QueuedRuns, count: str) -> None:
    """It would wait for ever, and let no run pass; one without a number is of an earlier version."""
    folder = make_folders()
    text = '{"run": "/gone", "host": "h", "time": 1.0, "slots": ["machine"]'
    (folder / f"{1:020d}-00000001.waiting").write_text(f'{text}, "count": {count}}}')
    (folder / f"{2:020d}-00000002.waiting").write_text(text + "}")
    damaged, earlier = tickets.entries()
    assert (damaged.ticket, damaged.problem[:12]) == (None, "not a ticket")
    assert earlier.ticket is not None
    assert earlier.ticket.request == HERE


def test_a_killed_waiter_frees_its_position_and_can_be_queued_again(
    queued: QueuedRuns, eventually: Eventually
) -> None:
    queued.queue("a")
    b = queued.queue("b")
    queued.queue("c")
    eventually(lambda: queued.starts_and_ends == ["+a"])
    queued.processes["b"].kill()
    queued.processes["b"].wait()
    positions.forget()
    state = view_run(b)
    assert (state.status, state.status_reason) == (
        "new",
        "its position in the queue was lost; `wmse-tui queue again b` queues it again",
    )
    assert positions.lost_notice() == "1 run has lost its position in the queue (after a reboot or a kill)"
    queued.go()
    eventually(lambda: queued.starts_and_ends == ["+a", "-a", "+c", "-c"])
    queued.processes["b"] = enqueue(b, wanted=HERE, python=queued.python)
    eventually(lambda: queued.starts_and_ends[-1] == "-b")
    assert positions.lost_notice() == ""


def test_the_signals_are_deferred_where_a_waiting_process_becomes_the_trainer(
    queued: QueuedRuns, eventually: Eventually
) -> None:
    """Until the trainer has its handlers: a signal in between would end it without an exit event."""
    a = queued.queue("a")
    eventually(lambda: view_run(a).status == "running")
    assert f"deferred {sorted(ENDING_SIGNALS)}" in a.trainer_log.read_text()


def test_a_killed_trainer_starts_the_next(queued: QueuedRuns, eventually: Eventually) -> None:
    a, _ = queued.queue("a"), queued.queue("b")
    eventually(lambda: view_run(a).status == "running")
    queued.processes["a"].send_signal(signal.SIGKILL)
    eventually(lambda: queued.starts_and_ends == ["+a", "+b"])
    assert queued.processes["a"].wait() == -signal.SIGKILL
    assert view_run(a).status == "crashed"


def test_hold_release_first_and_cancel(queued: QueuedRuns, eventually: Eventually) -> None:
    queued.queue("a")
    eventually(lambda: queued.starts_and_ends == ["+a"])
    b, c, d, e = (queued.queue(name) for name in "bcde")
    assert positions.hold(b)
    assert not positions.hold(b)
    assert positions.go_first(d)
    assert not positions.go_first(d)
    assert positions.cancel(c)
    with pytest.raises(NotQueued, match="run c is not in the queue"):
        positions.cancel(c)
    assert queued.processes["c"].wait(60) == 4
    assert view_run(c).status == "new"
    queued.go()
    eventually(lambda: queued.starts_and_ends == ["+a", "-a", "+d", "-d", "+e", "-e"])
    assert view_run(b).status_reason == "held; `wmse-tui queue release b` lets it continue"
    assert positions.release(b)
    eventually(lambda: queued.starts_and_ends[-1] == "-b")
    assert view_run(e).status == "completed"


def test_after_waits_for_completion_and_a_failure_is_reported(
    queued: QueuedRuns, eventually: Eventually
) -> None:
    bad = queued.queue("bad")
    late = queued.queue("late", bad)
    good = queued.queue("good")
    then = queued.queue("then", good)
    eventually(lambda: queued.starts_and_ends == ["+bad"])
    assert view_run(late).status_reason == "after bad"
    queued.go()
    eventually(lambda: queued.starts_and_ends == ["+bad", "-bad", "+good", "-good", "+then", "-then"])
    assert queued.processes["late"].wait(60) == 1
    positions.forget()
    state = view_run(late)
    assert state.status == "new"
    assert state.status_reason == (
        "not started: it was to come after bad, which has failed: there are no images; "
        "`wmse-tui queue again late` queues it again"
    )
    assert view_run(then).status == "completed"


def test_a_queued_run_is_not_started_queued_or_removed(queued: QueuedRuns, eventually: Eventually) -> None:
    queued.queue("a")
    eventually(lambda: queued.starts_and_ends == ["+a"])
    b = queued.queue("b")
    for attempt in (lambda: launch_trainer(b), lambda: enqueue(b), lambda: remove_run(b)):
        with pytest.raises(RunQueued, match="run b waits in the queue"):
            attempt()


def test_the_queue_waits_for_a_run_that_was_started_past_it(
    queued: QueuedRuns, eventually: Eventually
) -> None:
    direct = create_run(queued.root, CONFIG, name="direct")
    queued.processes["direct"] = launch_trainer(direct, python=queued.python)
    a = queued.queue("a")
    eventually(lambda: queued.starts_and_ends == ["+direct"])
    time.sleep(1.0)  # the waiting process polls several times
    positions.forget()
    assert view_run(a).status_reason == "next: used by a run that was started past the queue"
    queued.go()
    eventually(lambda: queued.starts_and_ends == ["+direct", "-direct", "+a", "-a"])


def test_invalid_tickets_and_those_of_lost_hosts_block_no_run(
    queued: QueuedRuns, eventually: Eventually
) -> None:
    a = queued.queue("a")
    folder = next(iter(tickets.entries())).path.parent
    name = "{:020d}-0000000{}.waiting"
    (folder / name.format(1, 1)).write_bytes(b"\xff{")
    (folder / name.format(2, 2)).write_text("[" * 5000)
    (folder / name.format(3, 3)).write_text(
        '{"run": "/gone", "host": "dead", "time": 1.0, "slots": ["machine"]}'
    )
    (folder / name.format(4, 4)).mkdir()
    os.mkfifo(folder / name.format(5, 5))
    (folder / name.format(6, 6)).symlink_to("/dev/zero")
    (folder / "notes.waiting").touch()
    queued.go()
    eventually(lambda: queued.starts_and_ends == ["+a", "-a"])
    assert view_run(a).status == "completed"
    left = tickets.entries()
    assert [(entry.order, entry.locked, bool(entry.problem)) for entry in left] == [
        (1, False, True),
        (2, False, True),
        (3, False, False),
    ]


def test_a_folder_that_several_users_share_is_open_to_all(
    tmp_path: Path, queued: QueuedRuns, eventually: Eventually
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    queue.chmod(0o1777)
    queued.queue("a")
    eventually(lambda: queued.starts_and_ends == ["+a"])
    queued.queue("b")
    modes = {path.suffix: path.stat().st_mode & 0o7777 for path in queue.rglob("*")}
    assert modes == {"": 0o1777, ".lock": 0o666, ".waiting": 0o644}


def test_a_folder_of_ones_own_is_private(tmp_path: Path, queued: QueuedRuns, eventually: Eventually) -> None:
    queued.queue("a")
    eventually(lambda: queued.starts_and_ends == ["+a"])
    queued.queue("b")
    modes = {path.suffix: path.stat().st_mode & 0o7777 for path in (tmp_path / "queue").rglob("*")}
    assert modes == {"": 0o700, ".lock": 0o600, ".waiting": 0o600}


def test_a_folder_that_another_user_closed_is_refused_at_once(
    tmp_path: Path, queued: QueuedRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "slots")
    with pytest.raises(StorageError, match=r"the queue's folder cannot be used: .*/slots belongs to user"):
        queued.queue("a")
