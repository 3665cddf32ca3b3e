"""A program in a terminal of its own, watched from the outside: what it sends, when, and what it costs.

The terminal counts bytes and stores the last ones, types keys, can stop reading, and can hang up. It answers
the question for synchronized output, so that the bytes are those of a modern terminal.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import signal
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import psutil
import pyte
from pyte.screens import Char

_KEPT = 4_000_000
_PRIVATE = re.compile(
    rb"\x1b\[[?>=<][0-9;]*(\$p|[uq])|\x1b\[[0-9;]*t"
)  # what the screen emulator cannot read
_SYNCHRONIZED = (b"\x1b[?2026$p", b"\x1b[?2026;2$y")


class _Screen(pyte.Screen):
    """Stores faint, which pyte leaves out, as blinking, which the app never does."""

    def select_graphic_rendition(self, *attrs: int, **more: bool) -> None:
        changed: list[int] = []
        at = 0
        while at < len(attrs):
            # The numbers behind 38 and 48 are of colours.
            kind = attrs[at + 1] if attrs[at] in (38, 48) and at + 1 < len(attrs) else 0
            length = {5: 3, 2: 5}.get(kind, 1)
            changed += {2: (5,), 22: (22, 25)}.get(attrs[at], attrs[at : at + length])
            at += length
        super().select_graphic_rendition(*changed, **more)


class PseudoTerminal:
    """One program on one terminal.

    Args:
        command: what runs in it.
        columns, rows: its size.
        environ: the program's environment, whole.
        ignore_hang_up: SIGHUP is ignored from the start, as under nohup.
        draws: emulate the screen too, for `screen`; that costs time, so measurements leave it off.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        environ: Mapping[str, str],
        ignore_hang_up: bool = False,
        draws: bool = False,
    ) -> None:
        self._picture = _Screen(columns, rows) if draws else None
        self._stream = pyte.ByteStream(self._picture) if self._picture is not None else None
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes_before = termios.tcgetattr(slave)
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            # The size of another terminal, which test runners pass on, would override this one's.
            own = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")}
            _become(slave, command, own, ignore_hang_up=ignore_hang_up)
        self._slave = slave  # stays open: the terminal's modes can be read after the program has ended
        self.process = psutil.Process(self.pid)
        self.bytes = 0
        self.first_byte: float | None = None
        self.chunks: list[tuple[float, int]] = []
        self._kept = bytearray()
        self._guard = threading.Lock()
        self._reading = threading.Event()
        self._reading.set()
        self._closed = False
        self.status: int | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait(10)
        self.hang_up()

    # What a person does

    def type(self, keys: str) -> None:
        """Type characters, escape sequences included; a lone surrogate is the byte that is not UTF-8."""
        os.write(self._master, os.fsencode(keys))

    def resize(self, columns: int, rows: int) -> None:
        """Resize the terminal; the program gets a signal."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGWINCH)
        if self._picture is not None:
            with self._guard:
                self._picture.resize(rows, columns)

    def stop_reading(self) -> None:
        """Let the terminal read nothing more, as behind a dead link."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Take again what is sent."""
        self._reading.set()

    def hang_up(self) -> None:
        """The terminal goes away: the kernel sends SIGHUP, and every use of it fails."""
        if self._closed:
            return
        self._closed = True
        self._reading.set()
        self._reader.join(timeout=5)
        os.close(self._slave)
        os.close(self._master)

    # What was seen

    def seen(self) -> bytes:
        """The last bytes that were sent."""
        with self._guard:
            return bytes(self._kept)

    def forget(self) -> None:
        """Reset the counter and the stored bytes."""
        with self._guard:
            self._kept.clear()
            self.bytes = 0
            self.chunks.clear()

    def screen(self) -> str:
        """The text of the screen, a line a row (only with `draws`)."""
        assert self._picture is not None
        with self._guard:
            return "\n".join(line.rstrip() for line in self._picture.display)

    def cells(self) -> list[list[Char]]:
        """The cells of the screen with their colours, by rows; faint is `blink` (only with `draws`)."""
        assert self._picture is not None
        with self._guard:
            buffer = self._picture.buffer
            return [[buffer[y][x] for x in range(self._picture.columns)] for y in range(self._picture.lines)]

    def wait_until(self, shown: Callable[[str], object], seconds: float = 60.0) -> None:
        """Wait until the screen is as `shown` wants it; raises TimeoutError with the screen."""
        began = time.monotonic()
        while not shown(self.screen()):
            if time.monotonic() - began > seconds or self.poll() is not None:
                raise TimeoutError(f"the screen never was as expected; it is\n{self.screen()}")
            time.sleep(0.02)

    def wait_for(self, text: str | Callable[[bytes], bool], seconds: float = 60.0) -> float:
        """Seconds until `text` was sent (since `forget`); raises TimeoutError with the last of what was."""
        began = time.monotonic()
        found = text if callable(text) else (lambda seen: text.encode() in seen)
        while not found(self.seen()):
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"{text!r} was not sent; the last bytes: {self.seen()[-600:]!r}")
            time.sleep(0.005)
        return time.monotonic() - began

    def wait_quiet(self, seconds: float = 0.5, limit: float = 60.0) -> None:
        """Wait until nothing was sent for `seconds`; raises TimeoutError."""
        began, last, since = time.monotonic(), self.bytes, time.monotonic()
        while time.monotonic() - since < seconds:
            if self.bytes != last:
                last, since = self.bytes, time.monotonic()
            if time.monotonic() - began > limit:
                raise TimeoutError("the program never stopped sending")
            time.sleep(0.01)

    def modes(self) -> list[object]:
        """The terminal's modes as they are now (echo, line by line, ...)."""
        return list(termios.tcgetattr(self._slave))

    def cpu_seconds(self) -> float:
        """Processor time that the program has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def poll(self) -> int | None:
        """The exit status (negative: the signal) once the program has ended."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                return self.status
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self, seconds: float) -> int:
        """The exit status; raises TimeoutError if the program does not end in time."""
        began = time.monotonic()
        while self.poll() is None:
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"still there after {seconds:g} s; the last bytes: {self.seen()[-600:]!r}")
            time.sleep(0.01)
        assert self.status is not None
        return self.status

    def _read(self) -> None:
        while not self._closed:
            if not self._reading.wait(0.1):
                continue
            readable, _, _ = select.select([self._master], [], [], 0.1)
            if not readable:
                continue
            try:
                content = os.read(self._master, 65536)
            except OSError as error:
                if error.errno in (errno.EIO, errno.EBADF):
                    return
                raise
            now = time.monotonic()
            with self._guard:
                self.bytes += len(content)
                self.first_byte = self.first_byte or now
                self.chunks.append((now, len(content)))
                self._kept += content
                del self._kept[:-_KEPT]
                if self._stream is not None:
                    self._stream.feed(_PRIVATE.sub(b"", content))
            if _SYNCHRONIZED[0] in content:
                with contextlib.suppress(OSError):
                    os.write(self._master, _SYNCHRONIZED[1])


def _become(slave: int, command: Sequence[str], environ: Mapping[str, str], *, ignore_hang_up: bool) -> None:
    """In the child: a session whose terminal is `slave`, and then the program. Never returns."""
    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in (0, 1, 2):
            os.dup2(slave, number)
        os.closerange(3, 256)
        if ignore_hang_up:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execvpe(command[0], list(command), dict(environ))
    finally:
        os._exit(127)
