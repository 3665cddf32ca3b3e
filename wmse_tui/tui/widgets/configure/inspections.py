"""The requests to the inspector, its answers, and which of them are current."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from textual.message_pump import MessagePump

from wmse_tui.config.advice import Advice
from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.text.units import size
from wmse_tui.tui.widgets.configure.cost import NOTHING, Inspection, same_cost

if TYPE_CHECKING:
    from wmse_tui.tui.inspector import Inspector, RequestKind

DESCRIBE: Literal["describe"] = "describe"
MEASURE: Literal["measure"] = "measure"
VIEWS: Literal["views"] = "views"


class Inspections:
    """The last request of each kind; answers to older ones are ignored."""

    def __init__(self) -> None:
        self._latest: dict[str, Inspection] = dict.fromkeys((DESCRIBE, MEASURE, VIEWS), NOTHING)
        self._numbers: dict[str, int] = {}
        self._experiments: dict[str, Experiment] = {}

    def __getitem__(self, kind: str) -> Inspection:
        return self._latest[kind]

    def experiment_of(self, kind: str) -> Experiment | None:
        """The experiment of the last request of this kind."""
        return self._experiments.get(kind)

    def request(
        self,
        inspector: Inspector,
        kind: RequestKind,
        experiment: Experiment,
        listener: MessagePump,
        **more: int,
    ) -> None:
        """Send a request about an experiment; the last answer stays until the new one arrives."""
        self._experiments[kind] = experiment
        self._latest[kind] = replace(self._latest[kind], waiting="waiting for the inspector", failure="")
        self._numbers[kind] = inspector.request(kind, dump_experiment(experiment), listener, **more)

    def forget(self) -> None:
        """The inspector has ended: no answer will come."""
        self._numbers.clear()
        for kind, inspection in self._latest.items():
            self._latest[kind] = replace(inspection, waiting="")

    def answered(self, number: int, kind: str, answer: Mapping[str, Any]) -> bool:
        """Store an answer; False: the request is not the last of its kind."""
        if self._numbers.get(kind) != number:
            return False
        del self._numbers[kind]
        self._latest[kind] = Inspection(dict(answer), self._experiments[kind])
        return True

    def failed(self, number: int, kind: str, text: str) -> bool:
        """Store why there is no answer; False as in `answered`."""
        if self._numbers.get(kind) != number:
            return False
        del self._numbers[kind]
        before = self._latest[kind]
        self._latest[kind] = replace(before, waiting="", failure=text)
        return True

    def progressed(self, number: int, kind: str, progress: str) -> bool:
        """Store the progress; False as in `answered`."""
        if self._numbers.get(kind) != number:
            return False
        self._latest[kind] = replace(self._latest[kind], waiting=progress)
        return True

    def notices(self, experiment: Experiment) -> tuple[Advice, ...]:
        """The inspector's notices about this experiment."""
        found: dict[Advice, None] = {}
        for kind in (DESCRIBE, MEASURE):
            inspection = self._latest[kind]
            if same_cost(inspection.about, experiment):
                for notice in inspection.answer.get("notices") or ():
                    level: Literal["warning", "info"] = (
                        "warning" if notice.get("level") == "warning" else "info"
                    )
                    found[Advice(str(notice.get("path", "")), level, str(notice.get("text", "")))] = None
        return tuple(found)


def progress_text(name: str, done: float, total: float, unit: str) -> str:
    """An activity and its progress: `loading images, 1.2 GB of 2.6 GB`."""
    if not total:
        return name
    if unit == "bytes":
        return f"{name}, {size(done)} of {size(total)}"
    return f"{name}, {done:,.0f} of {total:,.0f} {unit}".rstrip()
