"""What a service offers to the follower."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from wmse_tui.publish.batches import Batch, DurableStream, LiveStream
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import SentPosition
from wmse_tui.runs.state.run import RunState


class MetricService(Protocol):
    """A connection to a target; every method may raise any exception, and is then called again later.

    Attributes:
        receives: durable: it cannot take rows back, and gets durable ones only; live: it gets all at once,
            and takes back those beyond a step; rebuilt: likewise, and all again after a restart.
    """

    receives: Literal["durable", "live", "rebuilt"]

    def open(self, run: RunDirectory, state: RunState, position: SentPosition) -> str:
        """Connect, or connect again; returns what the service calls the run.

        Args:
            run: the run.
            state: its state, for name and configuration.
            position: how far the target has received it; what was sent beyond it may be there or not.
        """

    def send(self, batch: Batch, first_row: int) -> None:
        """Send a batch, whose first row is number `first_row` of all that were sent."""

    def finish(self, state: RunState) -> None:
        """Write the summary of a run that has ended, and disconnect."""

    def close(self) -> None:
        """Disconnect."""


def stream_for(service: MetricService) -> LiveStream | DurableStream:
    """The stream of batches that suits the service."""
    return DurableStream() if service.receives == "durable" else LiveStream()


def summary_of(state: RunState) -> dict[str, Any]:
    """What a run came to, by name: its status, accuracies, error and versions."""
    final = state.final
    found: dict[str, Any] = {"status": state.status, "epoch": state.epoch, "step": state.step}
    if final is not None:
        found["final/knn_top1"] = final.knn_top1
        found["final/linear_top1"] = final.linear_top1
    if state.error is not None:
        found["error"] = state.error.title
    if state.setup is not None:
        found |= {f"version/{name}": version for name, version in state.setup.versions}
    return {name: value for name, value in found.items() if value is not None}
