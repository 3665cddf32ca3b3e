"""Augmented views as pictures: a row for each image, in it the image itself and then its views."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Static

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.picture import Picture
from wmse_tui.tui.services import services_of
from wmse_tui.tui.widgets.configure.cost import Inquired
from wmse_tui.tui.widgets.panel import Panel

OFFER = (
    "{key:configure-views} draws views of a few images, as training would make them; "
    "it takes a moment to load torch."
)
_TILE = 10  # cells of a square at least, where the width allows
_MOST = 6  # rows


class ViewsPanel(Panel):
    """The picture, and below it what it shows or why there is none."""

    def __init__(self) -> None:
        super().__init__(title="Augmented views", id="configure-views")
        self._caption = ""
        self._path: str | None = None

    def compose(self) -> ComposeResult:
        yield Picture()
        yield Static("", markup=False, id="configure-caption")

    def on_mount(self) -> None:
        self.query_one(Picture).show(None, "")
        self._show_caption(services_of(self).keys.fill(OFFER))

    def question(self, experiment: Experiment) -> dict[str, int]:
        """How many images and views fit: the fields of the question."""
        picture = self.query_one(Picture).size
        width, height = max(picture.width, 20), max(picture.height, 4)
        views = max(2, min(experiment.augmentation.views, width // _TILE - 1))
        tile = width / (views + 1)
        return {"images": int(max(1, min(_MOST, 2 * height // tile))), "views": views}

    def show(self, asked: Inquired, *, current: bool) -> None:
        """Show an answer, or what is being done, or why there is none."""
        answer = asked.answer
        if answer and answer.get("path") != self._path:
            self._path = str(answer["path"])
            self.query_one(Picture).open(Path(self._path))
        if asked.failure:
            self._show_caption(asked.failure, "-failed")
        elif asked.waiting:
            self._show_caption(f"{asked.waiting} …")
        elif answer:
            self._show_caption(("" if current else "before the changes: ") + caption(answer))
        else:
            self._show_caption(services_of(self).keys.fill(OFFER))

    def _show_caption(self, text: str, mood: str = "") -> None:
        line = self.query_one("#configure-caption", Static)
        line.set_class(mood == "-failed", "-failed")
        if text != self._caption:
            self._caption = text
            line.update(safe(text, 400))


def caption(answer: Mapping[str, Any]) -> str:
    """What a picture shows, in a line or two."""
    views = int(answer["columns"]) - 1
    text = f"each row: an image of {answer['source']}, then {views} of its views"
    if answer.get("why"):
        text += f" ({answer['why']})"
    return text
