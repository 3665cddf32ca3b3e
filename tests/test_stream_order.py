"""The order of streams as the rehearsal on a fake GPU judges it: what is a race and what is none."""

from __future__ import annotations

import pytest
from stream_order import StreamOrder

MEMORY = (7,)


def written_on(stream: int) -> StreamOrder:
    order = StreamOrder()
    order.queue("copy", stream, reads=(), writes=MEMORY)
    order.record(event=1, stream=stream)
    return order


@pytest.mark.parametrize("order", ["event", "host event", "host stream", "device", "same stream"])
@pytest.mark.parametrize("use", ["read", "write"])
def test_work_that_waited_is_no_race(order: str, use: str) -> None:
    made = written_on(stream=1)
    if order == "event":
        made.wait(2, 1)
    elif order == "host event":
        made.over(1)
    elif order != "same stream":
        made.synchronise(1 if order == "host stream" else None)
    stream = 1 if order == "same stream" else 2
    reads, writes = (MEMORY, ()) if use == "read" else ((), MEMORY)
    made.queue("kernel", stream, reads=reads, writes=writes)
    assert made.races == []


@pytest.mark.parametrize("use", ["read", "write"])
def test_work_that_did_not_wait_is_one(use: str) -> None:
    made = written_on(stream=1)
    reads, writes = (MEMORY, ()) if use == "read" else ((), MEMORY)
    made.queue("kernel", 2, reads=reads, writes=writes)
    assert made.races == ["kernel uses what copy wrote on stream 1, without waiting for it"]


def test_an_event_covers_what_was_queued_before_it() -> None:
    made = written_on(stream=1)
    made.queue("later", 1, reads=(), writes=(9,))
    made.wait(2, 1)
    made.queue("kernel", 2, reads=MEMORY, writes=())
    assert made.races == []
    made.queue("kernel", 2, reads=(9,), writes=())
    assert made.races == ["kernel uses what later wrote on stream 1, without waiting for it"]


def test_memory_that_is_read_must_not_be_written_again() -> None:
    """As a decoder does that gets a block which queued work still reads."""
    made = StreamOrder()
    made.queue("step", 0, reads=MEMORY, writes=())
    made.queue("another read", 3, reads=MEMORY, writes=())
    assert made.races == []
    made.queue("decoder", 3, reads=(), writes=MEMORY)
    assert made.races == ["decoder uses what step read on stream 0, without waiting for it"]


def test_pinned_memory_is_written_by_the_host_when_its_copy_is_over() -> None:
    made = StreamOrder()
    made.queue("copy", 1, reads=MEMORY, writes=(8,))
    made.record(event=1, stream=1)
    made.touch("gather", reads=(), writes=MEMORY)
    assert made.races == ["gather uses what copy read on stream 1, without waiting for it"]
    made.over(1)
    made.races.clear()
    made.touch("gather", reads=(), writes=MEMORY)
    assert made.races == []


def test_a_thread_knows_what_it_waited_for_or_was_passed() -> None:
    made = written_on(stream=1)
    made.synchronise(1, host="decoder")
    made.queue("kernel", 2, reads=MEMORY, writes=())
    assert len(made.races) == 1
    made.races.clear()
    made.learn("main", made.knowledge("decoder"))
    made.queue("kernel", 3, reads=MEMORY, writes=())
    assert made.races == []


def test_order_is_transitive() -> None:
    made = written_on(stream=1)
    made.wait(2, 1)
    made.queue("middle", 2, reads=(), writes=(9,))
    made.record(event=2, stream=2)
    made.wait(3, 2)
    made.queue("kernel", 3, reads=MEMORY, writes=())
    assert made.races == []
