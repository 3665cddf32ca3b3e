"""Weights & Biases: durable rows, under one id for all attempts and all lives of the follower."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from wmse_tui.publish.batches import Batch
from wmse_tui.publish.service import summary_of
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import SentPosition, Target
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.state.run import RunState


class WandbRun:
    """A run of W&B. Its history steps are the numbers of the rows, so that a row is accepted once.

    Console, machine statistics, code and git are not sent: they are not the follower's to publish.
    """

    receives: Literal["durable", "live", "rebuilt"] = "durable"

    def __init__(self, target: Target) -> None:
        self._options = target.options
        self._run: Any = None

    def open(self, run: RunDirectory, state: RunState, position: SentPosition) -> str:
        del state
        import wandb

        folder = run.path / "followers"
        folder.mkdir(mode=0o700, exist_ok=True)
        identity = position.remote or f"{run.id}-{secrets.token_hex(4)}"
        self._run = wandb.init(
            project=self._options.get("project", "wmse-tui"),
            entity=self._options.get("entity"),
            name=self._options.get("name", run.id),
            mode=self._options.get("mode"),  # type: ignore[arg-type]
            id=identity,
            resume="allow",
            dir=str(folder),
            config=_configuration(run),
            settings=wandb.Settings(
                console="off", x_disable_stats=True, x_disable_meta=True, disable_code=True, disable_git=True
            ),
        )
        self._run.define_metric("*", step_metric="step")
        return identity

    def send(self, batch: Batch, first_row: int) -> None:
        if batch.rewind is not None:
            self._run.tags = (*(self._run.tags or ()), "rewound")
        for number, row in enumerate(batch.rows, first_row):
            self._run.log({**row.values, "step": row.step}, step=number)

    def finish(self, state: RunState) -> None:
        self._run.summary.update(summary_of(state))
        self.close()

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
            self._run = None


def _configuration(run: RunDirectory) -> dict[str, Any]:
    from wmse_tui.config.diff import flatten

    experiment = read_configuration(run).experiment
    return dict(flatten(experiment)) if experiment is not None else {}
