"""MLflow: durable rows through the client's batches."""

from __future__ import annotations

from typing import Any, Literal

from wmse_tui.publish.batches import Batch
from wmse_tui.publish.metric_rows import MetricRow
from wmse_tui.publish.service import summary_of
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import SentPosition, Target
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.state.run import RunState

METRICS = 1000  # of one request; the server refuses more
PARAMETERS = 100


class MlflowRun:
    """A run of MLflow. After a restart, the server is asked for what is there, which is not sent again."""

    receives: Literal["durable", "live", "rebuilt"] = "durable"

    def __init__(self, target: Target) -> None:
        self._options = target.options
        self._client: Any = None
        self._id = ""
        self._present: dict[str, int] = {}  # by name: the last step that is there; filled after a restart

    def open(self, run: RunDirectory, state: RunState, position: SentPosition) -> str:
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=self._options.get("uri"))
        self._present = {}
        if position.remote:
            self._id = position.remote
            self._client.update_run(self._id, status="RUNNING")
            metrics = self._client.get_run(self._id).data.metrics
            for name in metrics:
                self._present[name] = max(
                    each.step for each in self._client.get_metric_history(self._id, name)
                )
            return self._id
        name = self._options.get("experiment", "wmse-tui")
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found is not None else self._client.create_experiment(name)
        made = self._client.create_run(
            experiment,
            start_time=round(1000 * (state.started or 0)),
            run_name=self._options.get("name", run.id),
        )
        self._id = made.info.run_id
        parameters = [Param(key, value) for key, value in _configuration(run).items()]
        for first in range(0, len(parameters), PARAMETERS):
            self._client.log_batch(self._id, params=parameters[first : first + PARAMETERS])
        return self._id

    def send(self, batch: Batch, first_row: int) -> None:
        from mlflow.entities import Metric

        del first_row
        if batch.rewind is not None:
            self._client.set_tag(self._id, "rewound", str(batch.rewind))
        metrics = [
            Metric(name, value, round(1000 * row.time), row.step)
            for row in batch.rows
            for name, value in row.values.items()
            if not self._is_present(name, row)
        ]
        for first in range(0, len(metrics), METRICS):
            self._client.log_batch(self._id, metrics=metrics[first : first + METRICS])

    def finish(self, state: RunState) -> None:
        for name, value in summary_of(state).items():
            self._client.set_tag(self._id, f"summary.{name.replace('/', '.')}", str(value))
        status = {"completed": "FINISHED", "stopped": "KILLED"}.get(state.status, "FAILED")
        self._client.set_terminated(self._id, status, end_time=round(1000 * (state.updated or 0)))
        self.close()

    def close(self) -> None:
        self._client = None

    def _is_present(self, name: str, row: MetricRow) -> bool:
        return row.step <= self._present.get(name, -1)


def _configuration(run: RunDirectory) -> dict[str, str]:
    from wmse_tui.config.diff import flatten, value_text

    experiment = read_configuration(run).experiment
    if experiment is None:
        return {}
    return {key: value_text(value) for key, value in flatten(experiment).items()}
