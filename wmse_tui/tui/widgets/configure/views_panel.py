"""Augmented views as a grid of images: a row for each image, first the image itself, then its views."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Static

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.image_display import ImageDisplay
from wmse_tui.tui.services import services_of
from wmse_tui.tui.widgets.configure.cost import Inspection
from wmse_tui.tui.widgets.panel import Panel

OFFER = (
    "{key:configure-views} draws views of a few images, as training would make them; "
    "loading torch may take a moment."
)
_TILE = 10  # cells of a square at least, where the width allows
_MOST = 6  # rows


class ViewsPanel(Panel):
    """The grid, and below it a caption or the reason why there is none."""

    def __init__(self) -> None:
        super().__init__(title="Augmented views", id="configure-views")
        self._caption = ""
        self._path: str | None = None

    def compose(self) -> ComposeResult:
        yield ImageDisplay()
        yield Static("", markup=False, id="configure-caption")

    def on_mount(self) -> None:
        self.query_one(ImageDisplay).show(None, "")
        self._show_caption(services_of(self).keys.fill(OFFER))

    def request_fields(self, experiment: Experiment) -> dict[str, int]:
        """The numbers of images and views that fit, as fields of the request."""
        space = self.query_one(ImageDisplay).size
        width, height = max(space.width, 20), max(space.height, 4)
        views = max(2, min(experiment.augmentation.views, width // _TILE - 1))
        tile = width / (views + 1)
        return {"images": int(max(1, min(_MOST, 2 * height // tile))), "views": views}

    def show(self, inspection: Inspection, *, current: bool) -> None:
        """Show an answer, the progress of a request, or why there is no answer."""
        answer = inspection.answer
        if answer and answer.get("path") != self._path:
            self._path = str(answer["path"])
            self.query_one(ImageDisplay).open(Path(self._path))
        if inspection.failure:
            self._show_caption(inspection.failure, failed=True)
        elif inspection.waiting:
            self._show_caption(f"{inspection.waiting} …")
        elif answer:
            self._show_caption(("" if current else "before the changes: ") + caption(answer))
        else:
            self._show_caption(services_of(self).keys.fill(OFFER))

    def _show_caption(self, text: str, *, failed: bool = False) -> None:
        line = self.query_one("#configure-caption", Static)
        line.set_class(failed, "-failed")
        if text != self._caption:
            self._caption = text
            line.update(safe(text, 400))


def caption(answer: Mapping[str, Any]) -> str:
    """What a grid shows, in a line or two."""
    views = int(answer["columns"]) - 1
    text = f"each row: an image of {answer['source']}, then {views} of its views"
    if answer.get("why"):
        text += f" ({answer['why']})"
    return text
