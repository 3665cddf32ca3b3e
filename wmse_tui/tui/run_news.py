"""What the header of every screen says of active runs, and what is reported when one of them ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from wmse_tui.runs.log.events import Resources
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import ACTIVE, ENDED, FAILURES, TRAINING, Status
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe, without_middle
from wmse_tui.runs.text.units import duration, percent
from wmse_tui.tui.services import Severity

_NAME = 24  # cells
_EACH = 3  # runs at once that are reported one by one
_TRAINED: frozenset[Status] = ACTIVE | {"unknown"}
"""Statuses after which an end is news whenever the log reports it."""
_WORST: Mapping[Severity, int] = {"information": 0, "warning": 1, "error": 2}


@dataclass(frozen=True, slots=True)
class News:
    """A run that ended, failed or stalls: a sanitised sentence, and how bad that is."""

    path: str
    text: str
    severity: Severity
    status: Status = "completed"


def running_parts(rows: Sequence[RunRow], state_of: Callable[[str], RunState | None]) -> tuple[str, ...]:
    """The newest run that trains: name, progress, time left, k-NN, GPU load; then how many others do."""
    training = [row for row in rows if row.status in TRAINING]
    if not training:
        return ()
    row = training[0]
    state = state_of(row.path)
    parts = [without_middle(safe(row.run_id), _NAME)]
    done, whole = (row.step, row.total_steps) if row.total_steps else (row.epoch, row.epochs)
    parts += [f"{100 * done // whole} %"] if whole else []
    parts += [row.status] if row.status != "running" else []
    if state is not None and state.seconds_left is not None and row.status == "running":
        parts.append(f"{duration(state.seconds_left)} left")
    parts += [f"k-NN {percent(row.final_knn)}"] if row.final_knn is not None else []
    used = None if state is None else state.resources
    parts += [gpu_load(used)] if used is not None and used.gpu_utilisation is not None else []
    parts += [f"+{len(training) - 1}"] if len(training) > 1 else []
    return tuple(parts)


def gpu_load(used: Resources) -> str:
    """The utilisation of the GPU, or the range over those of all ranks."""
    known = [load.gpu_utilisation for load in used.ranks] or [used.gpu_utilisation]
    percents = sorted(round(100 * share) for share in known if share is not None)
    name = "GPU" if len(known) == 1 else "GPUs"
    if not percents:
        return ""
    low, high = percents[0], percents[-1]
    return f"{name} {high} %" if low == high else f"{name} {low}-{high} %"


def news(before: Mapping[str, Status], rows: Sequence[RunRow], *, since: float = math.inf) -> list[News]:
    """What became of the runs since the list of before: those that ended, and those that stall.

    Args:
        before: the earlier statuses, by path.
        rows: the list as it is now.
        since: when the earlier list was read, in unix seconds. A run that was not being trained then, or is
            new, has ended since if its log reports it: a short one trains between two readings.
    """
    found = []
    for row in rows:
        earlier = before.get(row.path)
        if earlier == row.status:
            continue
        trained = earlier in _TRAINED or (row.ended is not None and row.ended >= since)
        if (trained and row.status in ENDED) or (earlier in _TRAINED and row.status == "stalled"):
            found.append(News(row.path, _sentence(row), _severity(row.status), row.status))
    return found


def in_short(found: Sequence[News]) -> Sequence[News]:
    """The news one by one, or of many runs at once one sentence."""
    if len(found) <= _EACH:
        return found
    statuses = Counter(each.status for each in found)
    text = f"{len(found)} runs: {', '.join(f'{number} {status}' for status, number in statuses.items())}"
    worst = max((each.severity for each in found), key=_WORST.__getitem__)
    return (News("", text, worst),)


def _sentence(row: RunRow) -> str:
    reason = f": {row.status_reason}" if row.status_reason else ""
    accuracy = f", k-NN {percent(row.final_knn)}" if row.final_knn is not None else ""
    return safe(
        f"{row.run_id} {'is' if row.status == 'stalled' else 'has'} {row.status}{reason}{accuracy}", 300
    )


def _severity(status: Status) -> Severity:
    if status in FAILURES:
        return "error"
    return "information" if status == "completed" else "warning"


def terminal_notification(text: str, kind: Literal["osc9", "osc777"], *, tmux: bool = False) -> str:
    """The escape sequence by which a terminal shows a notification outside of itself.

    tmux drops both. It passes what is wrapped on to its terminal, if its `allow-passthrough` is on.
    """
    plain = safe(text, 200).replace(";", ",")
    sequence = f"\x1b]9;{plain}\x07" if kind == "osc9" else f"\x1b]777;notify;wmse-tui;{plain}\x07"
    return f"\x1bPtmux;\x1b{sequence}\x1b\\" if tmux else sequence


def in_tmux(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is tmux, also at the other end of an SSH connection."""
    return bool(environ.get("TMUX")) or environ.get("TERM", "").startswith("tmux")
