"""The results that `wmse-tui eval` has saved in a run's `evaluations`: what its log does not have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.log.encoding import decode
from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.run_folder import RunFolder

MOST_RESULTS = 200
"""The newest ones that are read."""
_FIELDS = tuple(field.name for field in fields(Evaluation))


@dataclass(frozen=True, slots=True)
class SavedEvaluation:
    """An evaluation after training: of which checkpoint file, and when, as its file names them."""

    evaluation: Evaluation
    checkpoint: str
    time: str


def read_saved_evaluations(run: RunDirectory) -> tuple[SavedEvaluation, ...]:
    """The newest saved results of a run, in the order of their times; what is no result is left out."""
    found = []
    for values in saved_results(run):
        try:
            found.append(_result(values))
        except (ValueError, RecursionError, KeyError, TypeError, RunsError):
            continue
    return tuple(found)


def saved_results(run: RunDirectory) -> Iterator[dict[str, Any]]:
    """The objects in the newest files of a run's `evaluations`, in the order of their times."""
    try:
        with RunFolder(run.evaluations) as folder:
            names = sorted(
                (name for name in folder.names() if name.endswith(".json")),
                key=lambda name: name.rpartition("-")[2],  # CHECKPOINT-TIME.json
            )
            for name in names[-MOST_RESULTS:]:
                try:
                    values = json.loads(folder.read(name))
                except (OSError, ValueError, RecursionError):
                    continue
                if isinstance(values, dict):
                    yield values
    except OSError:
        return


def _result(values: dict[str, Any]) -> SavedEvaluation:
    event = {name: values[name] for name in _FIELDS}
    record = decode(json.dumps({"v": 1, "seq": 1, "t": 0.0, "attempt": 1, "type": Evaluation.type, **event}))
    assert isinstance(record.event, Evaluation)
    return SavedEvaluation(record.event, str(values["checkpoint"]), str(values["time"]))
