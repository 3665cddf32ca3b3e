"""How often the screen may change: over SSH, where every byte crosses a link, less often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RefreshRates:
    """Seconds between two polls of a log, and between two redraws of numbers, charts and the list of runs."""

    name: Literal["local", "slow"]
    poll: float
    text: float
    charts: float
    catalogue: float


LOCAL = RefreshRates("local", poll=0.5, text=1.0, charts=2.0, catalogue=2.0)
SLOW = RefreshRates("slow", poll=1.0, text=2.0, charts=6.0, catalogue=4.0)


def choose_rates(profile: str, environ: Mapping[str, str]) -> RefreshRates:
    """The rates of a profile; `auto` uses the slow ones where the terminal is connected by SSH."""
    if profile == "local":
        return LOCAL
    remote = environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")
    return SLOW if profile == "slow" or remote else LOCAL
