"""What others know of a draft: the disk at once, and the inspector when it is asked."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.message import Message
from textual.timer import Timer

from wmse_tui.config.advice import Advice, advise
from wmse_tui.config.presence import Presence, find_images, presence_advice
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.runs.preflight import nearest_existing
from wmse_tui.tui.widgets.configure.actions import DraftActions
from wmse_tui.tui.widgets.configure.cost import Cost
from wmse_tui.tui.widgets.configure.inquiry import DESCRIBE, MEASURE, VIEWS, Inquiry, progress_words
from wmse_tui.tui.widgets.configure.sections import VIEWS as VIEWS_PAGE
from wmse_tui.tui.widgets.configure.sections import SectionPanel
from wmse_tui.tui.widgets.configure.views import ViewsPanel

if TYPE_CHECKING:
    from wmse_tui.tui.inspector import Ask, Inspected, InspectionFailed, InspectionProgress

QUIET = 0.4
"""Seconds without a change before the views are drawn anew."""


class Looked(Message):
    """Where the images of a data set are, and how much room there is for runs; None: nobody can tell."""

    def __init__(self, dataset: Dataset, presence: Presence, free: int | None) -> None:
        super().__init__()
        self.dataset = dataset
        self.presence = presence
        self.free = free


class AnsweredScreen(DraftActions):
    """The part of the Configure screen that asks, and keeps the answers.

    Attributes:
        inquiry: what the inspector was asked.
        views_wanted: the person asked for the picture; it is drawn anew after changes from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inquiry = Inquiry()
        self.views_wanted = False
        self._first = 0  # which images the picture begins with
        self._rows = 0
        self._presence: Presence | None = None
        self._dataset: Dataset | None = None  # whose images were looked for
        self._free: int | None = None
        self._quiet: Timer | None = None

    @property
    def experiment(self) -> Experiment | None:
        """What would be run now; None while something is wrong."""
        return self.bench.draft.experiment if self.bench.draft is not None else None

    @abstractmethod
    def draw_answers(self) -> None:
        """Show the answers."""

    def remarks(self) -> tuple[Advice, ...]:
        """All advice on the draft, warnings first: of its configuration, of the disk, of the inspector."""
        experiment = self.experiment
        if experiment is None:
            return ()
        found = list(advise(experiment))
        presence = self._presence_of(experiment)
        if presence is not None:
            if presence.state in ("here", "archive"):
                found = [advice for advice in found if advice.path != "dataset.download"]
            found += presence_advice(experiment.dataset, presence)
        told = {(advice.path, advice.text) for advice in found}
        found += [a for a in self.inquiry.notices(experiment) if (a.path, a.text) not in told]
        return tuple(sorted(found, key=lambda advice: advice.level != "warning"))

    def cost(self) -> Cost | None:
        """What is known of the cost, or None while something is wrong."""
        experiment = self.experiment
        if experiment is None:
            return None
        return Cost(
            experiment=experiment,
            name=self.run_name,
            presence=self._presence_of(experiment),
            free=self._free,
            described=self.inquiry[DESCRIBE],
            measured=self.inquiry[MEASURE],
        )

    def look_closer(self) -> None:
        """After a change: look for the images, and draw the views anew, if that may have changed them."""
        experiment = self.experiment
        if experiment is None:
            return
        if experiment.dataset != self._dataset:
            self._dataset, self._presence = experiment.dataset, None
            dataset, root = experiment.dataset, self.services.trainers.root
            self.run_worker(lambda: self._look(dataset, root), thread=True, exclusive=True, group="look")
        if self.views_wanted and not self.views_are_current():
            if self._quiet is not None:
                self._quiet.stop()
            self._quiet = self.set_timer(QUIET, self._ask_views)

    # The disk

    def _look(self, dataset: Dataset, root: Path) -> None:
        free = None
        with suppress(OSError):
            free = shutil.disk_usage(nearest_existing(root)).free or None
        self.post_message(Looked(dataset, find_images(dataset), free))

    @on(Looked)
    def _looked(self, event: Looked) -> None:
        self._free = event.free
        if event.dataset == self._dataset:
            self._presence = event.presence
        self.redraw()

    def _presence_of(self, experiment: Experiment) -> Presence | None:
        return self._presence if experiment.dataset == self._dataset else None

    # The inspector

    def action_describe(self) -> None:
        """Ask for parameters, GFLOP and memory."""
        self._ask(DESCRIBE)

    def action_measure(self) -> None:
        """Let a few steps be taken on this machine."""
        self._ask(MEASURE)

    def action_views(self) -> None:
        """Draw views; once they are drawn, of other images."""
        if self.views_wanted and self.views_are_current():
            self._first += self._rows
        sections = self.query_one(SectionPanel)
        if not self.query_one(ViewsPanel).is_on_screen and sections.current != VIEWS_PAGE:
            sections.choose(VIEWS_PAGE)
            self.redraw()
        self.ask_views()

    def ask_views(self) -> None:
        """Draw views, as many as there is room for once the screen has its new shape."""
        self.views_wanted = True
        self.call_after_refresh(self._ask_views)

    def views_are_current(self) -> bool:
        """Whether the last question about views would be asked in the same way now."""
        about, now = self.inquiry.question(VIEWS), self.experiment
        if about is None or now is None:
            return False
        return (about.dataset, about.augmentation, about.seed, about.compute) == (
            now.dataset,
            now.augmentation,
            now.seed,
            now.compute,
        )

    def _ask_views(self) -> None:
        if self._quiet is not None:
            self._quiet.stop()
        experiment = self.experiment
        if experiment is not None and self.views_wanted:
            question = self.query_one(ViewsPanel).question(experiment)
            self._rows = question["images"]
            self._ask(VIEWS, first=self._first, **question)

    def _ask(self, kind: Ask, **more: int) -> None:
        experiment = self.experiment
        if experiment is None:
            self.go_to_problem()
            self.services.notify("something is wrong, so nothing can be told of it", severity="error")
            return
        self.inquiry.ask(self.services.inspector(), kind, experiment, self, **more)
        self.draw_answers()

    def rest_inspector(self) -> None:
        """Let the inspector go with its memory; it is started again by the next question."""
        self.inquiry.forget()
        self.services.stop_inspector()

    def on_screen_suspend(self) -> None:
        """Another of the five screens is shown (a dialog over this one does not count)."""
        if self.app.current_mode != "configure":
            self.rest_inspector()

    # These are found by their names: nobody imports the inspector before it is needed.

    def on_inspected(self, event: Inspected) -> None:
        """An answer came."""
        if self.inquiry.answered(event.id, event.ask, event.answer):
            self.redraw()

    def on_inspection_failed(self, event: InspectionFailed) -> None:
        """There will be no answer, and here is why."""
        text = ". ".join(part.rstrip(".") for part in (event.title, event.detail, *event.next) if part)
        if self.inquiry.failed(event.id, event.ask, text):
            self.redraw()

    def on_inspection_progress(self, event: InspectionProgress) -> None:
        """The inspector says what it is doing."""
        words = progress_words(event.name, event.done, event.total, event.unit)
        if self.inquiry.progressed(event.id, event.ask, words):
            self.draw_answers()
