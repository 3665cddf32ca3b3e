"""What the inspector was asked, what it answered, and which of its answers are current."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from textual.message_pump import MessagePump

from wmse_tui.config.advice import Advice
from wmse_tui.config.loading import dump_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.text.units import size
from wmse_tui.tui.widgets.configure.cost import NOTHING, Inquired, same_cost

if TYPE_CHECKING:
    from wmse_tui.tui.inspector import Ask, Inspector

DESCRIBE: Literal["describe"] = "describe"
MEASURE: Literal["measure"] = "measure"
VIEWS: Literal["views"] = "views"


class Inquiry:
    """The last question of each kind; answers to older ones are ignored."""

    def __init__(self) -> None:
        self._asked: dict[str, Inquired] = dict.fromkeys((DESCRIBE, MEASURE, VIEWS), NOTHING)
        self._numbers: dict[str, int] = {}
        self._questions: dict[str, Experiment] = {}

    def __getitem__(self, kind: str) -> Inquired:
        return self._asked[kind]

    def question(self, kind: str) -> Experiment | None:
        """What the last question of this kind was about."""
        return self._questions.get(kind)

    def ask(
        self, inspector: Inspector, kind: Ask, experiment: Experiment, listener: MessagePump, **more: int
    ) -> None:
        """Ask about an experiment; what was answered before stays until the new answer is there."""
        self._questions[kind] = experiment
        self._asked[kind] = replace(self._asked[kind], waiting="asking", failure="")
        self._numbers[kind] = inspector.ask(kind, dump_experiment(experiment), listener, **more)

    def forget(self) -> None:
        """The inspector has ended: no answer will come."""
        self._numbers.clear()
        for kind, asked in self._asked.items():
            self._asked[kind] = replace(asked, waiting="")

    def answered(self, number: int, kind: str, answer: Mapping[str, Any]) -> bool:
        """Store an answer; False: the question is not the last of its kind."""
        if self._numbers.get(kind) != number:
            return False
        del self._numbers[kind]
        self._asked[kind] = Inquired(dict(answer), self._questions[kind])
        return True

    def failed(self, number: int, kind: str, text: str) -> bool:
        """Store why there is no answer; False as in `answered`."""
        if self._numbers.get(kind) != number:
            return False
        del self._numbers[kind]
        before = self._asked[kind]
        self._asked[kind] = replace(before, waiting="", failure=text)
        return True

    def progressed(self, number: int, kind: str, progress: str) -> bool:
        """Store what is being done; False as in `answered`."""
        if self._numbers.get(kind) != number:
            return False
        self._asked[kind] = replace(self._asked[kind], waiting=progress)
        return True

    def notices(self, experiment: Experiment) -> tuple[Advice, ...]:
        """What the inspector remarked about this experiment."""
        found: dict[Advice, None] = {}
        for kind in (DESCRIBE, MEASURE):
            asked = self._asked[kind]
            if same_cost(asked.about, experiment):
                for notice in asked.answer.get("notices") or ():
                    level: Literal["warning", "info"] = (
                        "warning" if notice.get("level") == "warning" else "info"
                    )
                    found[Advice(str(notice.get("path", "")), level, str(notice.get("text", "")))] = None
        return tuple(found)


def progress_text(name: str, done: float, total: float, unit: str) -> str:
    """What is being done, and how far it is: `loading images, 1.2 GB of 2.6 GB`."""
    if not total:
        return name
    if unit == "bytes":
        return f"{name}, {size(done)} of {size(total)}"
    return f"{name}, {done:,.0f} of {total:,.0f} {unit}".rstrip()
