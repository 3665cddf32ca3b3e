"""The dialog for a folder of one's own images: what it holds, and the run that is proposed for it."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from wmse_tui.config.draft import Draft
from wmse_tui.config.image_folder import ImageFolder, folder_draft, folder_problem, read_image_folder
from wmse_tui.config.locations import expanded
from wmse_tui.config.presence import OwnImages, with_own_images
from wmse_tui.runs.preflight import gpu_count
from wmse_tui.runs.table.estimate import TimedRun, forecast
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui.dialogs import Dialog
from wmse_tui.tui.path_completion import PathInput

_DELAY = 0.3
"""Seconds without a key before the folder is read."""
_NAMED = 6  # classes that are named


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found for a text: the proposed draft, or only lines that say why there is none."""

    text: str = ""
    lines: tuple[str, ...] = ()
    draft: Draft | None = None


class ImagesDialog(Dialog[Draft]):
    """Reads the folder while its path is typed; Enter answers the draft that is proposed for it."""

    def __init__(self, timed: tuple[TimedRun, ...] = ()) -> None:
        super().__init__()
        self._timed = timed  # what is known of this machine
        self._found = _Found()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog", id="images-folder") as box:
            box.border_title = Content("Your own images")
            yield Static(
                "A folder with a folder of images for each class, or with such folders in train and test.",
                markup=False,
            )
            yield PathInput(placeholder="/path/to/images", folders=True)
            yield Static("", markup=False, id="images-found")
            yield Static(
                "Tab completes the path; Enter sets up the run; escape cancels.", markup=False, classes="hint"
            )

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(PathInput).focus()

    def on_input_changed(self) -> None:
        self._read(self.query_one(PathInput).value.strip())

    @work(exclusive=True, group="images")
    async def _read(self, text: str) -> None:
        """Read the folder once typing has paused."""
        await asyncio.sleep(_DELAY)
        shown = self.query_one("#images-found", Static)
        if text:
            shown.update("reading the folder")
        self._found = await asyncio.to_thread(_examine, text, self._timed)
        shown.set_class(bool(text) and self._found.draft is None, "problem")
        shown.update("\n".join(safe(line, 400) for line in self._found.lines))

    def on_input_submitted(self) -> None:
        """Answer the draft that is shown, unless something was typed after it was made."""
        if self._found.draft is not None and self._found.text == self.query_one(PathInput).value.strip():
            self.dismiss(self._found.draft)


def _examine(text: str, timed: tuple[TimedRun, ...]) -> _Found:
    if not text:
        return _Found()
    try:
        folder = read_image_folder(expanded(Path(text)))
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _Found(text, (f"It cannot be read: {reason}.",))
    problem = folder_problem(folder)
    if problem:
        return _Found(text, (problem,))
    draft = folder_draft(folder)
    return _Found(text, (*folder_lines(folder), "", *draft_lines(folder, draft, timed)), draft)


def folder_lines(folder: ImageFolder) -> tuple[str, ...]:
    """What a folder holds, as lines."""
    number = f"{'' if folder.complete else 'over '}{folder.images:,}"
    tests = folder.test_images
    where = "a tenth is held out for the test" if tests is None else f"{tests:,} for the test"
    lines = [f"images   {number}; {where}"]
    if folder.classes:
        named = ", ".join(f"{name} {images:,}" for name, images in folder.classes[:_NAMED])
        more = len(folder.classes) - _NAMED
        lines.append(f"classes  {len(folder.classes)}: {named}{f' and {more} more' if more > 0 else ''}")
    else:
        lines.append("classes  none: accuracies need a folder for each class (Probe train folder)")
    sides, last = folder.sides, folder.sides[-1]
    middle = round(statistics.median(sides))
    spread = f"{middle} px" if sides[0] == last else f"{sides[0]} to {last} px, half below {middle}"
    lines.append(f"sizes    shorter sides {spread} (of {count(len(sides), 'image')})")
    if folder.unreadable:
        lines.append(f"damaged  {folder.unreadable} of {len(sides) + folder.unreadable} that were opened")
    return tuple(lines)


def draft_lines(folder: ImageFolder, draft: Draft, timed: Iterable[TimedRun] = ()) -> tuple[str, ...]:
    """The run that is proposed, as lines; `timed` is what is known of this machine."""
    experiment = draft.experiment
    if experiment is None:
        return tuple(f"problem  {problem.text()}" for problem in draft.problems)
    values = draft.values
    lines = [
        f"recipe   {draft.base.name}, crops of {values['dataset.crop']} px",
        f"batch    {values['schedule.batch_size']} images, in slices of {values['method.whitening_size']}",
        f"head     embeddings of {values['projector.dim']} dimensions",
    ]
    counted = with_own_images(experiment, OwnImages(folder.images, len(folder.classes)))
    expected = forecast(counted, timed, gpus=gpu_count())
    if expected is not None:
        lines.append(f"time     {safe(expected.text(), 100)}; {count(experiment.schedule.epochs, 'epoch')}")
    return tuple(lines)
