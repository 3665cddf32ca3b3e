"""Opening the app on a terminal, and its exit status."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.crash import note_crash
from wmse_tui.tui.ending import Ending, detach_dead_streams
from wmse_tui.tui.refresh import choose_rates
from wmse_tui.tui.saved_state import SavedState
from wmse_tui.tui.settings import load_settings

if TYPE_CHECKING:
    from wmse_tui.tui.app import WmseApp


class NoTerminal(Exception):
    """The app cannot be shown on this terminal, for `reason`."""

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
    *,
    runs_root: Path,
    settings_file: Path,
    screens_file: Path,
    run: RunDirectory | None = None,
    own: bool = False,
) -> int:
    """Show the app until it is left; returns the exit status.

    Raises:
        NoTerminal: it cannot be shown here.
    """
    check_terminal()
    loaded = load_settings(settings_file)
    rates = choose_rates(loaded.settings.profile, os.environ)
    # Textual reads these when it is imported.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_FPS", "10" if rates.name == "slow" else "30")
    if os.environ.get("NO_COLOR") and not os.environ.get("WMSE_TUI_THEME"):
        # Only the terminal's own theme sends no colours at all then.
        loaded = type(loaded)(loaded.settings.model_copy(update={"theme": "terminal"}), loaded.problems)

    # What is imported remains. The collector need not go through it now, on the way to the first paint, nor
    # ever again. Full collections are the app's, in quiet moments: a key that met one waited 70 ms for it.
    gc.disable()
    from wmse_tui.tui.app import AppOptions, WmseApp

    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 1_000_000)
    gc.enable()
    # Threads read logs meanwhile; drawing should not wait 5 ms for each of them.
    sys.setswitchinterval(0.001)
    app = WmseApp(
        AppOptions(
            runs_root=runs_root,
            run=run,
            own=own,
            settings=loaded.settings,
            problems=loaded.problems,
            saved=SavedState(screens_file),
        )
    )
    app.adapt_to_terminal()
    result = None
    ending = Ending(app)
    try:
        with ending:
            result = app.run(mouse=loaded.settings.mouse)
    except OSError:  # Textual's last output, to a terminal that has hung up
        if ending.signal is None:
            raise
    app.services.trainers.release()
    if ending.signal is not None:
        detach_dead_streams()
        return 128 + ending.signal
    if app.return_code or result is None:  # it was not left: it crashed
        _report_crash(app)
        return app.return_code or 1
    return result


def _report_crash(app: WmseApp) -> None:
    from wmse_tui.runs.text.sanitize import safe

    error = app._exception  # noqa: SLF001 (Textual offers no other way to it)
    error_text = safe(f"{type(error).__name__}: {error}", 300) if error is not None else "unknown"
    lines = [f"wmse-tui: an error inside the app: {error_text}"]
    file = app.crash_file or (note_crash(error) if error is not None else None)
    if file is not None:
        lines.append(f"  -> the traceback is in {file}; please send it with a report")
    lines.append("  -> trainers are not affected; wmse-tui shows them again")
    with contextlib.suppress(OSError):
        sys.stderr.write("\n".join(lines) + "\n")
