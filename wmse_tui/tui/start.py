"""Opening the app on a terminal, and leaving it behind in order however it ends.

Textual restores nothing on SIGTERM or SIGHUP and returns 0 after an unhandled error; both are mended
here. A terminal that no longer drains cannot keep the process: a watchdog ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.profile import choose_beats
from wmse_tui.tui.settings import load_settings

if TYPE_CHECKING:
    from wmse_tui.tui.app import WmseApp

GRACE = 1.2  # seconds from a signal to the end, however stuck the terminal is
_HANG_UP_LOOK = 0.5
_RESTORE = (
    "\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[?25h\x1b[0m"
)


class NoTerminal(Exception):
    """The app cannot be shown here; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_terminal(environ: Mapping[str, str] = os.environ) -> None:
    """Raise NoTerminal unless standard input and error (where Textual draws) are a capable terminal."""
    for name, stream in (("input", sys.__stdin__), ("error", sys.__stderr__)):
        if stream is None or not stream.isatty():
            raise NoTerminal(f"standard {name} is not a terminal")
    if environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise NoTerminal(
            f"TERM is {environ.get('TERM', '') or 'not set'}, a terminal without cursor movement"
        )


def open_app(
    *, runs_root: Path, settings_file: Path, run: RunDirectory | None = None, own: bool = False
) -> int:
    """Show the app until it is left; returns the exit status.

    Raises:
        NoTerminal: it cannot be shown here.
    """
    check_terminal()
    loaded = load_settings(settings_file)
    beats = choose_beats(loaded.settings.profile, os.environ)
    # Textual reads these when it is imported.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_FPS", "10" if beats.name == "slow" else "30")
    if os.environ.get("NO_COLOR") and not os.environ.get("WMSE_TUI_THEME"):
        # Only the terminal's own theme sends no colours at all then.
        loaded = type(loaded)(loaded.settings.model_copy(update={"theme": "terminal"}), loaded.problems)

    from wmse_tui.tui.app import Opening, WmseApp

    app = WmseApp(
        Opening(runs_root=runs_root, run=run, own=own, settings=loaded.settings, problems=loaded.problems)
    )
    ending = Ending(app)
    with ending:
        result = app.run(mouse=loaded.settings.mouse)
    app.trainers.release()
    if ending.signal is not None:
        return 128 + ending.signal
    if app.return_code:
        _tell_crash(app)
        return app.return_code
    return result or 0


def _tell_crash(app: WmseApp) -> None:
    from wmse_tui.runs.text import safe

    error = app._exception  # noqa: SLF001 (Textual offers no other way to it)
    what = safe(f"{type(error).__name__}: {error}", 300) if error is not None else "an unknown error"
    lines = [f"wmse-tui: something went wrong inside the app: {what}"]
    if app.crash_file is not None:
        lines.append(f"  -> the traceback is in {app.crash_file}; please send it with a report")
    lines.append("  -> trainers are not affected; wmse-tui shows them again")
    with contextlib.suppress(OSError):
        sys.stderr.write("\n".join(lines) + "\n")


class Ending:
    """SIGTERM, SIGHUP and a terminal that has gone away end the app; a watchdog sees to it."""

    def __init__(self, app: WmseApp) -> None:
        self.signal: int | None = None
        self._app = app
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._over = threading.Event()
        self._terminal = sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
        self._modes: list[object] | None = None

    def __enter__(self) -> Ending:
        with contextlib.suppress(termios.error):
            self._modes = termios.tcgetattr(self._terminal)
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._on_signal)
        threading.Thread(target=self._watch_terminal, name="hang-up watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._begin(number)

    def _begin(self, number: int) -> None:
        if self.signal is not None:
            return
        self.signal = number
        threading.Thread(target=self._watchdog, name="watchdog", daemon=True).start()
        # From another thread or a signal handler: only a callback into the loop is safe.
        with contextlib.suppress(RuntimeError):
            loop = self._app._loop  # noqa: SLF001
            if loop is not None:
                loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._app.exit(128 + (self.signal or 0))

    def _watch_terminal(self) -> None:
        """A hang-up whose signal is ignored (nohup) still leaves a terminal that answers no question."""
        while not self._over.wait(_HANG_UP_LOOK):
            try:
                termios.tcgetattr(self._terminal)
            except termios.error:
                self._begin(signal.SIGHUP)
                return

    def _watchdog(self) -> None:
        """The app did not end by itself: its terminal takes nothing more, or is gone."""
        if self._over.wait(GRACE):
            return
        if self._modes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._terminal, termios.TCSANOW, self._modes)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            os.set_blocking(self._terminal, False)
            os.write(self._terminal, _RESTORE.encode())
        os._exit(128 + (self.signal or signal.SIGTERM))
