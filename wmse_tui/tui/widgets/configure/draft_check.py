"""What is known of the edited draft: its advice, its cost on this machine, and the inspector's answers.

Nothing here draws or waits: the screen shows what is known, and asks for what is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wmse_tui.config.advice import Advice
from wmse_tui.config.fields import is_metadata
from wmse_tui.config.ineffective import options_without_effect
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.table.estimate import TimedRun
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.widgets.configure.cost import Cost, measured_run
from wmse_tui.tui.widgets.configure.inspections import DESCRIBE, MEASURE, VIEWS, Inspections
from wmse_tui.tui.widgets.configure.machine import Machine
from wmse_tui.tui.widgets.configure.preset_library import PresetLibrary
from wmse_tui.tui.widgets.configure.wording import Outlook


class DraftCheck:
    """What is known of the draft that is edited in `library`.

    Attributes:
        machine: what was found of this machine, and of the draft's images on it.
    """

    def __init__(self, library: PresetLibrary, keys: KeyNames) -> None:
        self._library = library
        self._keys = keys
        self._inspections: dict[str, Inspections] = {}  # by the key of the preset
        self._without_effect: frozenset[str] = frozenset()  # in the last draft without problems
        self.machine = Machine()

    @property
    def experiment(self) -> Experiment | None:
        """What would be run now; None while something is wrong."""
        draft = self._library.draft
        return None if draft is None else draft.experiment

    @property
    def inspections(self) -> Inspections:
        """The requests about the edited preset, and their answers."""
        return self._inspections.setdefault(self._library.key, Inspections())

    @property
    def measured(self) -> TimedRun | None:
        """What was measured last of the edited preset."""
        return measured_run(self.inspections[MEASURE])

    def remarks(self) -> tuple[Advice, ...]:
        """All advice on the draft, warnings first: on its configuration, of the machine, of the inspector."""
        experiment = self.experiment
        if experiment is None:
            return ()
        found = self.machine.remarks(experiment, self.measured)
        known = {(advice.path, advice.text) for advice in found}
        found += [a for a in self.inspections.notices(experiment) if (a.path, a.text) not in known]
        return tuple(sorted(found, key=lambda advice: advice.level != "warning"))

    def outlook(self) -> Outlook:
        """What this machine makes of a start."""
        return self.machine.outlook(self.experiment, self.measured)

    def cost(self, run_name: str) -> Cost | None:
        """What is known of the cost, or None while something is wrong; `run_name` is of the next run."""
        experiment = self.experiment
        if experiment is None:
            return None
        machine = self.machine.about(experiment.dataset)
        return Cost(
            experiment=experiment,
            name=run_name,
            presence=machine.presence,
            own_images=machine.own_images,
            free=machine.free,
            expected=machine.forecast(experiment, self.measured),
            keys=self._keys,
            described=self.inspections[DESCRIBE],
            measured=self.inspections[MEASURE],
        )

    def without_effect(self) -> frozenset[str]:
        """The options that do nothing beside the others; while something is wrong, as before."""
        draft = self._library.draft
        if draft is not None and draft.experiment is not None:
            metadata = set(filter(is_metadata, draft.names))  # the details show them
            self._without_effect = options_without_effect(draft.experiment) | metadata
        return self._without_effect

    def views_are_current(self) -> bool:
        """Whether the last request for views fits the current experiment."""
        about, now = self.inspections.experiment_of(VIEWS), self.experiment
        if about is None or now is None:
            return False
        return (about.dataset, about.augmentation, about.seed, about.compute) == (
            now.dataset,
            now.augmentation,
            now.seed,
            now.compute,
        )

    def answered(self, number: int, kind: str, answer: Mapping[str, Any]) -> bool:
        """Store an answer of the inspector; whether a request waited for it."""
        return any(each.answered(number, kind, answer) for each in self._inspections.values())

    def failed(self, number: int, kind: str, text: str) -> bool:
        """Store why there is no answer; whether a request waited for it."""
        return any(each.failed(number, kind, text) for each in self._inspections.values())

    def progressed(self, number: int, kind: str, progress: str) -> bool:
        """Store the progress of a request; whether it waits."""
        return any(each.progressed(number, kind, progress) for each in self._inspections.values())

    def forget_requests(self) -> None:
        """The inspector has ended: no answer will come."""
        for inspections in self._inspections.values():
            inspections.forget()
