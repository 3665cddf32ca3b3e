"""One result of `doctor`: what was checked, its status, and how to fix it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding.

    Args:
        name: what was checked.
        status: ok; warn: training works, but slower or not in every case; fail: training cannot start.
        text: what was found.
        fix: what to do about it, or "".
    """

    name: str
    status: Status
    text: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the finding for `doctor --json`."""
        return asdict(self)
