"""One thing that `doctor` looked at: what it is, whether it is well, and what to do if it is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding.

    Args:
        name: what was looked at.
        status: ok; warn: works, but less well or not everything; fail: training cannot start.
        text: what was found.
        fix: what to do about it, or empty.
    """

    name: str
    status: Status
    text: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the finding as it stands in `doctor --json`."""
        return asdict(self)
