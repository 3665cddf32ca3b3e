"""The status of a run: its names, the sets of them that the program decides by, and the tone of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Status: TypeAlias = Literal[
    "new",  # never started
    "queued",  # waits for a slot
    "starting",  # a trainer was launched and has not reported yet
    "running",
    "paused",
    "stalled",  # a trainer exists, and nothing happens
    "crashed",  # the trainer ended without an exit event
    "stopped",
    "diverged",
    "failed",
    "completed",
    "unknown",  # cannot be determined from this machine
]
Tone: TypeAlias = Literal["muted", "info", "good", "warning", "bad"]

STATUSES: tuple[Status, ...] = get_args(Status)

TRAINING: frozenset[Status] = frozenset({"running", "paused", "stalled"})
"""A trainer has the run and has reported."""
ACTIVE: frozenset[Status] = TRAINING | {"starting"}
IN_PROGRESS: frozenset[Status] = ACTIVE | {"queued"}
"""It trains, or will without further action."""
FAILURES: frozenset[Status] = frozenset({"crashed", "diverged", "failed"})
RESUMABLE: frozenset[Status] = FAILURES | {"stopped"}
ENDED: frozenset[Status] = RESUMABLE | {"completed"}
EXITED: frozenset[Status] = ENDED - {"crashed"}
"""Those that the log itself ends with."""
WITHOUT_TRAINER: frozenset[Status] = ENDED | {"new", "queued"}
"""No process would answer a request."""

TONES: Mapping[Status, Tone] = {
    "new": "muted",
    "queued": "info",
    "starting": "info",
    "running": "good",
    "paused": "warning",
    "stalled": "warning",
    "crashed": "bad",
    "stopped": "warning",
    "diverged": "bad",
    "failed": "bad",
    "completed": "good",
    "unknown": "warning",
}
"""How every display colours a status; each maps the five tones to colours of its own."""
