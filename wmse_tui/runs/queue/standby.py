"""The waiting process while nothing that it waits for has changed: a program of 3 MB.

    TICKET PATH QUEUE_LOCK SECONDS POLLS CONDITION ... -- COMMAND ...

Hundreds of runs may wait for days, and judging whose turn it is needs the packages that read tickets and
logs. So the process that judges (`waiter.py`) replaces itself by this one (exec: same process, same
descriptors), which imports little more than `os`. As soon as a condition has changed it replaces itself by
COMMAND, which judges. A condition that is met too early only costs that moment, so this program knows nothing
of runs and reads no ticket.

    TICKET       descriptor that holds the ticket
    PATH         the ticket; renamed: a change; removed: the run was cancelled
    QUEUE_LOCK   the mark in the run's directory, which is removed when the run is cancelled
    SECONDS      from one check of the ticket to the next
    POLLS        the conditions are checked at one of so many checks of the ticket
    CONDITION    `free`, `enough`, `held`, `ended` or `elapsed`, the number of its words, its words
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` imports `enum`, a fifth of this program's memory
import os
import stat
import sys
import time

from wmse_tui.runs.process.file_locks import is_locked

CANCELLED = 4
"""Exit status of a waiting process whose ticket was removed."""
SETTLE_SECONDS = 10.0
"""A log that grows for longer is still written, by a trainer whose lock is not visible here."""
RETRY_SECONDS = 10.0
"""From one try to start COMMAND to the next, where the file server with the interpreter does not answer."""


class Free:
    """Met when none of the files is locked; one that is missing is not.

    Args:
        paths: tickets that come before this one.
    """

    kind = "free"

    def __init__(self, *paths: str) -> None:
        self.words = paths

    def met(self) -> bool:
        """Check the files. Raises OSError."""
        return not any(map(file_is_locked, self.words))


class Enough:
    """Met when enough slots are free: neither of their two files is locked; one that is missing is not.

    Args:
        number: of slots that the run needs.
        locks: of each slot the one that a run from the queue holds, and that of runs started past it.
    """

    kind = "enough"

    def __init__(self, number: str, *locks: str) -> None:
        self.words = (number, *locks)
        self._number = int(number)
        self._slots = tuple(zip(locks[::2], locks[1::2], strict=True))

    def met(self) -> bool:
        """Check the files. Raises OSError."""
        return sum(not any(map(file_is_locked, locks)) for locks in self._slots) >= self._number


class Held:
    """Met when the file is locked.

    Args:
        path: the run's own lock: it was started past the queue.
    """

    kind = "held"

    def __init__(self, path: str) -> None:
        self.words = (path,)

    def met(self) -> bool:
        """Check the file. Raises OSError."""
        return file_is_locked(self.words[0])


class Ended:
    """Met when another run, which must complete first, may have done so: its trainer has left, or its files
    have changed without a trainer that is visible here.

    Args:
        lock: its lock.
        held: "1" if that was held when the run was judged last.
        seen: `state_of(files)` at that time.
        files: its log, and what else shows a change.
    """

    kind = "ended"

    def __init__(self, lock: str, held: str, seen: str, *files: str) -> None:
        self.words = (lock, held, seen, *files)
        self._held = held == "1"
        self._last, self._since = seen, time.monotonic()

    def met(self) -> bool:
        """Check lock and files; a lock that cannot be opened shows nothing."""
        lock, _, seen, *files = self.words
        try:
            if file_is_locked(lock):
                self._held = True
                return False
        except OSError:
            pass
        if self._held:
            return True
        now = state_of(*files)
        if now != self._last:
            self._last, self._since = now, time.monotonic()
        return now != seen and time.monotonic() - self._since >= SETTLE_SECONDS


class Elapsed:
    """Met after some time.

    Args:
        seconds: from now on.
    """

    kind = "elapsed"

    def __init__(self, seconds: str) -> None:
        self.words = (seconds,)
        self._end = time.monotonic() + float(seconds)

    def met(self) -> bool:
        """Check the clock."""
        return time.monotonic() >= self._end


Condition = Free | Enough | Held | Ended | Elapsed
KINDS: dict[str, type[Condition]] = {kind.kind: kind for kind in (Free, Enough, Held, Ended, Elapsed)}


def file_is_locked(path: str) -> bool:
    """Whether a process holds the lock of a file; False for one that is missing.

    Raises:
        OSError: it cannot be opened, is no regular file, or its file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "not a regular file", path)
        return is_locked(descriptor)
    finally:
        os.close(descriptor)


def state_of(*paths: str) -> str:
    """Identity, size and time of change of files, as a text that differs when one of them has changed."""
    return " ".join(map(_state, paths))


def _state(path: str) -> str:
    try:
        about = os.lstat(path)
    except OSError as error:
        return f"-{error.errno}"
    return f"{about.st_ino}.{about.st_size}.{about.st_mtime_ns}"


def arguments(
    ticket: int,
    path: str,
    queue_lock: str,
    *,
    seconds: float,
    polls: int,
    conditions: list[Condition],
    command: list[str],
) -> list[str]:
    """The arguments of this program, which are explained at its top."""
    words = [str(ticket), path, queue_lock, str(seconds), str(polls)]
    for condition in conditions:
        words += [condition.kind, str(len(condition.words)), *condition.words]
    return [*words, "--", *command]


def main(words: list[str]) -> int:
    """Wait, and become the command; returns the exit status where the ticket was removed."""
    ticket, path, queue_lock, seconds, polls, *rest = words
    conditions, command = _parsed(rest)
    checks = 0
    printed = ""
    while True:
        try:
            if not os.fstat(int(ticket)).st_nlink:
                return _cancelled(queue_lock)
            if not _is_still(path, int(ticket)):
                break
            if checks % int(polls) == 0 and any(condition.met() for condition in conditions):
                break
        except OSError as error:  # a disk or a file server that comes back
            if str(error) != printed:
                printed = str(error)
                _print(f"waiting in the queue: {printed}")
        checks += 1
        time.sleep(float(seconds))
    while True:
        try:
            os.execv(command[0], command)  # noqa: S606 (our own interpreter)
        except OSError as error:
            _print(f"waiting in the queue: cannot start {command[0]}: {error.strerror}")
            time.sleep(RETRY_SECONDS)


def _parsed(words: list[str]) -> tuple[list[Condition], list[str]]:
    conditions = []
    while words[0] != "--":
        end = 2 + int(words[1])
        conditions.append(KINDS[words[0]](*words[2:end]))
        words = words[end:]
    return conditions, words[1:]


def _is_still(path: str, descriptor: int) -> bool:
    """Whether `path` names the open file."""
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return there.st_ino == os.fstat(descriptor).st_ino


def _cancelled(queue_lock: str) -> int:
    try:
        os.unlink(queue_lock)
    except OSError:
        pass
    return CANCELLED


def _print(text: str) -> None:
    try:  # into trainer.log
        os.write(1, os.fsencode(text + "\n"))
    except OSError:
        pass


if __name__ == "__main__":
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    sys.exit(main(sys.argv[1:]))
