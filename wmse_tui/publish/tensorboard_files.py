"""TensorBoard: event files, with a purge of what a resumption trains again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from wmse_tui.publish.batches import Batch
from wmse_tui.publish.metric_rows import MetricRow
from wmse_tui.publish.service import summary_of
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import SentPosition
from wmse_tui.runs.state.run import RunState


class TensorBoardFiles:
    """Writes event files that `tensorboard --logdir` shows.

    Readers drop every point at or beyond the step of a SessionLog.START in a later file (`purge_step` of
    TensorBoard's own writers). So a rewind, and a restart of the follower, begin a new file with one.
    """

    receives: Literal["durable", "live", "rebuilt"] = "live"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: object | None = None

    def open(self, run: RunDirectory, state: RunState, position: SentPosition) -> str:
        """Begin a new file; rows from the step of `position` on are sent again."""
        del run, state
        self._begin(position.step if position.seq else None)
        return str(self._folder)

    def send(self, batch: Batch, first_row: int) -> None:
        del first_row
        if batch.rewind is not None:
            self._begin(batch.rewind + 1)
        for row in batch.rows:
            self._add(row)
        self._flush()

    def finish(self, state: RunState) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto

        text = "\n".join(f"    {name}: {value}" for name, value in summary_of(state).items())
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        value = Summary.Value(tag="summary", tensor=tensor, metadata=metadata)
        self._write(step=state.step, wall_time=state.updated or 0.0, summary=Summary(value=[value]))
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()  # type: ignore[attr-defined]
            self._writer = None

    def _begin(self, purge_from: int | None) -> None:
        """A new file; its name counts seconds, and must sort behind the last one's."""
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.close()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = [path.name for path in self._folder.glob("events.out.tfevents.*")]
        newest = max((int(name.split(".")[3]) for name in names if name.split(".")[3].isdigit()), default=0)
        while int(time.time()) <= newest and newest - time.time() < 5:
            time.sleep(0.05)
        self._writer = EventFileWriter(str(self._folder))
        if purge_from is not None:
            self._write(
                step=purge_from, wall_time=time.time(), session_log=SessionLog(status=SessionLog.START)
            )

    def _add(self, row: MetricRow) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.values.items()]
        self._write(step=row.step, wall_time=row.time, summary=Summary(value=values))

    def _write(self, **fields: object) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        assert self._writer is not None
        self._writer.add_event(Event(**fields))  # type: ignore[attr-defined]

    def _flush(self) -> None:
        assert self._writer is not None
        self._writer.flush()  # type: ignore[attr-defined]
