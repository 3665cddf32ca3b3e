"""What every test has: one thread, and a queue of its own session, so that nobody's real one is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# Before torch is imported anywhere, for this process and those that it starts: two test processes share two
# cores, and the threads of one spin while they wait for cores that the other has. A step of a small network
# took 20 times the time and the processor's work of one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def _own_queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trainers of tests take their slots here; tests of the queue have one each."""
    before = os.environ.get("WMSE_TUI_QUEUE")
    os.environ["WMSE_TUI_QUEUE"] = str(tmp_path_factory.mktemp("queue", numbered=True))
    yield
    if before is None:
        del os.environ["WMSE_TUI_QUEUE"]
    else:
        os.environ["WMSE_TUI_QUEUE"] = before
