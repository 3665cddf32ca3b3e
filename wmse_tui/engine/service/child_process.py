"""A child process of the app: it dies with its parent, has a low priority and leaves no files behind."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wmse_tui.runs.process.deferred_signals import ENDING_SIGNALS

PREFIX = "wmse-tui-inspect-"
NICENESS = 10
OOM_SCORE = 800
"""When memory runs out, the kernel ends this process before a trainer (-1000 to 1000, which is first)."""

_folder: Path | None = None


def private_streams() -> tuple[BinaryIO, BinaryIO]:
    """The stdin and stdout of this process for its own lines.

    The descriptors themselves are moved: what any library prints goes to stderr from now on, also where it is
    not Python's; and `sys.stdin`, which forked workers close, is not the stream that a thread reads from (its
    lock would be held for ever in the worker).
    """
    sys.stdout.flush()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the process ends without a last flush
    lines, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(lines, "rb"), os.fdopen(answers, "wb", buffering=0)


def lower_priority() -> None:
    """Leave processor and memory to the trainers."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError):  # not present or not allowed everywhere
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def folder() -> Path:
    """The temporary folder of this process, 0700; created when first used, removed with the process."""
    global _folder
    if _folder is None:
        _remove_leftovers()
        _folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    return _folder


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """However this block ends, by a signal too, remove the folder and end the process at once.

    Threads that still compute are not waited for: their answers are obsolete.
    """
    for number in ENDING_SIGNALS:
        signal.signal(number, _exit)
    code = 1
    try:
        yield
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        try:
            # The end of stdin and a signal come together: the handler may still raise here, not later.
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        finally:
            if _folder is not None:
                shutil.rmtree(_folder, ignore_errors=True)
            if not isinstance(sys.exception(), Exception):  # an error of ours still gets its traceback
                os._exit(code)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _remove_leftovers() -> None:
    """Remove the folders of inspectors that were killed before they could do so."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdigit() and path.lstat().st_uid == os.getuid() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(path)
