"""How fast a run trains, measured by the times at which its steps were logged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

_SPANS = 60  # about the last minute of fast steps, the last sixty of slow ones


@dataclass(frozen=True, slots=True)
class Throughput:
    """Seconds and steps between successive reports of training; other activities between are left out."""

    since: tuple[float, int] | None = None  # time and step of the last report, if training continued from it
    spans: tuple[tuple[float, int], ...] = ()

    def reported(self, reports: Iterable[tuple[float, int]]) -> Throughput:
        """After `reports`: times, each with the step that training had reached."""
        since, spans = self.since, list(self.spans)
        for report in reports:
            if since is not None and report[0] > since[0] and report[1] > since[1]:
                spans.append((report[0] - since[0], report[1] - since[1]))
            since = report
        return Throughput(since, tuple(spans[-_SPANS:]))

    def interrupted(self) -> Throughput:
        """After something other than training: the time until the next report does not measure the pace."""
        return self if self.since is None else Throughput(None, self.spans)

    @property
    def seconds_per_step(self) -> float | None:
        """The recent mean; None before the second report."""
        steps = sum(steps for _, steps in self.spans)
        return sum(seconds for seconds, _ in self.spans) / steps if steps else None

    @property
    def median_seconds(self) -> float | None:
        """The median of the seconds a step took, which one long interruption does not move."""
        return median(seconds / steps for seconds, steps in self.spans) if self.spans else None
