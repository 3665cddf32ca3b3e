"""For every test: one thread to compute with, signals that are not ignored, its own queue, no deadline."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Several test processes share two cores, and what they compute is tiny. Threads that wait for each other by
# spinning made a training of six steps twenty times as long. Read when torch is loaded, by trainers too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

# Under a shell's `&` or `nohup` the tests ignore these signals, and their child processes would inherit that.
# A process with a handler is not ended by them either, and its children have the default.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda _signal, _frame: None)


# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run files with slow tests first: a process that started one last would make the others wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Exempt what exists for the whole process from collection, which took a third of the app tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def _signal_handlers_as_before() -> Iterator[None]:
    """A trainer in this process installs its handlers here; children inherit what is ignored."""
    before = [(number, signal.getsignal(number)) for number in HANDLED]
    yield
    for number, handler in before:
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="session")
def _no_slurm() -> None:
    """The one of this machine, where there is one, is offered to no test."""
    os.environ["SLURM_CONF"] = "/dev/null"


@pytest.fixture(autouse=True, scope="session")
def _own_queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trainers of tests acquire their slots here; tests of the queue have a folder each."""
    before = os.environ.get("WMSE_TUI_QUEUE")
    os.environ["WMSE_TUI_QUEUE"] = str(tmp_path_factory.mktemp("queue", numbered=True))
    yield
    if before is None:
        del os.environ["WMSE_TUI_QUEUE"]
    else:
        os.environ["WMSE_TUI_QUEUE"] = before
