"""Writing what Compare shows into a file: asks for format and place, and before it replaces anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual.message import Message

from wmse_tui.config.locations import expanded
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import OutputExists, RunsError
from wmse_tui.runs.table.compare import Comparison
from wmse_tui.runs.table.export import FORMATS, curves_csv, write_output
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.screens.ask import ConfirmScreen
from wmse_tui.tui.screens.base import AppScreen
from wmse_tui.tui.widgets.compare.chart import OverlaidCurves
from wmse_tui.tui.widgets.compare.export import CURVES, ExportScreen, Wanted

_EXPORTED_POINTS = 4096  # of a curve, at most


class ExportingScreen(AppScreen):
    """A screen with a comparison and a chart that can be written."""

    class Written(Message):
        """How writing a file ended; `again` writes it over what is there."""

        def __init__(self, text: str, *, done: bool, again: Callable[[], None] | None = None) -> None:
            super().__init__()
            self.text = text
            self.done = done
            self.again = again

    def __init__(self) -> None:
        super().__init__()
        self._runs: tuple[RunDirectory, ...] = ()
        self._comparison = Comparison((), (), ())

    def action_export(self) -> None:
        """Ask for format and place, and write."""
        if self._runs:
            self.app.push_screen(ExportScreen(safe(str(Path.cwd()), 60)), self._export)
        else:
            self.services.notify("There is nothing to export: no run is compared.")

    def _export(self, wanted: Wanted | None) -> None:
        if wanted is None:
            return
        if wanted.format == CURVES:
            chart = self.query_one(OverlaidCurves)
            overlay = chart.overlay
            curves = chart.curves(_EXPORTED_POINTS)
            text = curves_csv(curves, quantity=overlay.quantity, axis=overlay.options.axis)
        else:
            text = FORMATS[wanted.format](self._comparison)
        self._write(text, wanted.path, overwrite=False)

    def _write(self, text: str, path: str, *, overwrite: bool) -> None:
        work = partial(self._write_file, text, path, overwrite=overwrite)
        self.run_worker(work, thread=True, exit_on_error=False)

    def _write_file(self, text: str, path: str, *, overwrite: bool) -> None:
        try:
            place = expanded(Path(path))
            write_output(place, text, overwrite=overwrite)
        except OutputExists as error:
            again = partial(self._write, text, path, overwrite=True)
            self.post_message(self.Written(f"{error.title}: {error.detail}", done=False, again=again))
        except (
            RunsError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:  # a home that cannot be found; a null byte
            self.post_message(self.Written(str(error), done=False))
        else:
            self.post_message(self.Written(f"written: {place}", done=True))

    def on_exporting_screen_written(self, event: Written) -> None:
        if event.again is None:
            self.services.notify(event.text, severity="information" if event.done else "error")
            return
        again = event.again
        question = ConfirmScreen(
            "Replace the file?", safe(event.text, 300), yes="Replace", no="Keep", danger=True
        )
        self.app.push_screen(question, lambda yes: again() if yes else None)
