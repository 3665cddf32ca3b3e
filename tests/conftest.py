"""What every test has: one thread to compute with, signals that arrive, a queue that is nobody's real one."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest

# Several test processes share two cores, and what they compute is tiny. Threads that wait for each other by
# spinning made a training of six steps twenty times as long. Read when torch is loaded, by trainers too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell's `&` and `nohup` have the tests ignore these, and all they start would inherit that. Who handles
# them is not ended by them either, and has children that are as any other process.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda _signal, _frame: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: a process that began one last would keep the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Spare the collector what lives as long as the process: it took a third of the app tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


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
