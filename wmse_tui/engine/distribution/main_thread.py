"""Notices that the main thread of a rank hangs: in its work it does nothing, and waits for no other rank.

Heartbeats show that a process runs. Its main thread may wait all the same, for a lock or for an image that
never arrives, and every other rank with it. Each rank judges itself: nothing depends on the network.

- Only between `working` and its end: in steps and batches of evaluations, not in what rank 0 does alone.
- Not within `waiting`, as for what another rank computes: that one is judged by itself.
- Only where the process and its loader workers have used no processor and read nothing for some seconds. Slow
  steps, compilation and the first choice of kernels compute; slow images are read; a host that waits for its
  GPU polls it. A thread in the kernel's disk sleep (a file server that does not answer) is given longer.

A loop without end, on the processor or the GPU, is not noticed: it uses the processor as work does.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.engine.child_processes import descendants
from wmse_tui.engine.distribution import heartbeats
from wmse_tui.engine.distribution.roster import RESUME, RankFailure
from wmse_tui.engine.errors import RankLost

try:
    import psutil
except ImportError:  # the work of loader workers is not seen: nothing is judged
    psutil = None  # type: ignore[assignment]

IDLE_BEATS = 10
"""Beats without any activity after which the main thread hangs."""
STORAGE_BEATS = 120
"""As many where a thread waits for storage."""
BUSY_SHARE = 0.05
"""Of one processor: what the process uses is more where its main thread does something."""
CLOCK_SECONDS = 2 / os.sysconf("SC_CLK_TCK")
"""How much too large a difference of two readings of such a use may be."""
BUSY_BYTES = 4096
"""Read or written in a beat: more than the messages of heartbeats."""


class _MainThread:
    """What the main thread of this process does."""

    task = ""  # not judged
    waits = False
    changes = 0


_main = _MainThread()


@contextmanager
def working(task: str) -> Iterator[None]:
    """Within this block the main thread does `task`, for which the other ranks wait."""
    _main.task = task
    _main.changes += 1
    try:
        yield
    finally:
        _main.task = ""


@contextmanager
def waiting() -> Iterator[None]:
    """Within this block the main thread waits for another rank."""
    before, _main.waits = _main.waits, True
    try:
        yield
    finally:
        _main.waits = before
        _main.changes += 1


def judged_task() -> int | None:
    """A number for the task at hand, another one for each; None where the main thread is not judged."""
    return None if _main.waits or not _main.task else _main.changes


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its descendants have used so far.

    Args:
        seconds: of processors.
        transferred: bytes read and written.
        runnable: its main thread has something to compute now, or would with a free processor.
        storage: one of its threads waits for storage now.
    """

    seconds: float
    transferred: int
    runnable: bool
    storage: bool


def no_progress(task: str) -> RankFailure:
    """Why a rank ends whose main thread hangs."""
    return RankFailure(
        RankLost.code,
        f"no progress in {task}",
        f"it has computed and read nothing for {IDLE_BEATS * heartbeats.BEAT_SECONDS:.0f} s",
        (RESUME, "trainer.log has the stacks of its threads (`wmse-tui logs --raw RUN`)"),
        (),
    )


class MainThreadWatch:
    """Calls `hangs` with the task in which the main thread hangs; in a thread of its own.

    Args:
        hangs: reports it, and ends this process.
        others: processes whose work is not that of this rank, with theirs: the other ranks.
    """

    def __init__(self, hangs: Callable[[str], None], *, others: Callable[[], set[int]] = set) -> None:
        self._hangs = hangs
        self._others = others
        self._ended = threading.Event()
        if psutil is not None:
            threading.Thread(target=self._watch, name="main thread watch", daemon=True).start()

    def end(self) -> None:
        """Judge no more."""
        self._ended.set()

    def _watch(self) -> None:
        idleness, number = Idleness(), judged_task()
        while not self._ended.wait(heartbeats.BEAT_SECONDS):
            task, before, number = _main.task, number, judged_task()
            judged = number is not None and number == before
            if idleness.beat(usage_of_process(self._others()) if judged else None):
                with suppress(OSError, ValueError):  # into trainer.log
                    faulthandler.dump_traceback(all_threads=True)
                self._hangs(task)
                return


class Idleness:
    """Counts the beats in which a process has done nothing."""

    def __init__(self) -> None:
        self._idle = 0.0
        self._before: Usage | None = None

    def beat(self, usage: Usage | None) -> bool:
        """Whether there have been too many of them.

        Args:
            usage: at this beat; None where the process may do nothing.
        """
        before, self._before = self._before, usage
        if usage is None or before is None or _is_active(before, usage):
            self._idle = 0.0
        else:
            self._idle += IDLE_BEATS / STORAGE_BEATS if usage.storage else 1
        return self._idle >= IDLE_BEATS


def _is_active(before: Usage, after: Usage) -> bool:
    return (
        after.runnable
        or after.seconds - before.seconds > BUSY_SHARE * heartbeats.BEAT_SECONDS + CLOCK_SECONDS
        or after.transferred - before.transferred >= BUSY_BYTES
    )


def usage_of_process(others: set[int]) -> Usage:
    """The total of this process and its descendants without `others`; what cannot be read is left out.

    What the calling thread has used does not count: it reads all this.
    """
    seconds, transferred, states = -time.thread_time(), 0, set()
    own = psutil.Process()
    processes = [own]
    with suppress(psutil.Error, OSError):
        processes += descendants(own, without=others)
    for process in processes:
        with suppress(psutil.Error, OSError, ValueError, IndexError):
            times = process.cpu_times()
            seconds += times.user + times.system
            counters = process.io_counters()
            transferred += counters.read_chars + counters.write_chars + counters.read_bytes
            states |= set(_states(process.pid))
    runnable = False
    with suppress(OSError, IndexError, ValueError):
        counted = Path(f"/proc/{own.pid}/task/{threading.get_native_id()}/io").read_text(encoding="ascii")
        transferred -= sum(int(line.split()[1]) for line in counted.splitlines()[:2])  # rchar, wchar
        runnable = _state(Path(f"/proc/{own.pid}/task/{own.pid}/stat")) == "R"
    return Usage(seconds, transferred, runnable, "D" in states)


def _states(pid: int) -> Iterator[str]:
    """The states of the threads of a process, as letters of proc(5)."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError, IndexError):
            yield _state(thread / "stat")


def _state(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
