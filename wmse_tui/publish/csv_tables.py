"""CSV: one table for each group of numbers, rewritten whole when there is news."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from wmse_tui.config.atomic import SHARED, replacing
from wmse_tui.publish.batches import Batch
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import SentPosition
from wmse_tui.runs.state.run import RunState

PAUSE = 20.0
"""Times the duration of the last rewriting that passes before the next: at most a twentieth of a core."""


class CsvTables:
    """`train.csv`, `eval.csv`, `diagnostics.csv` and `resources.csv`: `step`, and a column for each number.

    The tables hold the numbers as the log has them after its resumptions: a step has one row.
    """

    receives: Literal["durable", "live", "rebuilt"] = "rebuilt"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._columns: dict[str, tuple[array[int], array[float]]] = {}
        self._changed = False
        self._next = 0.0

    def open(self, run: RunDirectory, state: RunState, position: SentPosition) -> str:
        """The tables are made from the whole log, whatever was sent."""
        del run, state, position
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return str(self._folder)

    def send(self, batch: Batch, first_row: int) -> None:
        del first_row
        if batch.rewind is not None:
            self._truncate(batch.rewind)
        for row in batch.rows:
            for name, value in row.values.items():
                steps, values = self._columns.setdefault(name, (array("q"), array("d")))
                if steps and steps[-1] == row.step:
                    values[-1] = value
                else:
                    steps.append(row.step)
                    values.append(value)
        self._changed = True
        if time.monotonic() >= self._next:
            self._write()

    def finish(self, state: RunState) -> None:
        del state
        self.close()

    def close(self) -> None:
        if self._changed:
            self._write()

    def _truncate(self, step: int) -> None:
        for steps, values in self._columns.values():
            length = bisect_left(steps, step + 1)
            del steps[length:], values[length:]

    def _write(self) -> None:
        began = time.monotonic()
        groups: dict[str, list[str]] = {}
        for name in self._columns:
            groups.setdefault(name.partition("/")[0], []).append(name)
        for group, names in groups.items():
            with replacing(self._folder / f"{group}.csv", mode=SHARED) as file:
                heading = ",".join(("step", *(name.partition("/")[2] for name in names)))
                file.write(f"{heading}\r\n".encode())
                file.writelines(f"{line}\r\n".encode() for line in self._lines(names))
        self._changed = False
        now = time.monotonic()
        self._next = now + PAUSE * (now - began)

    def _lines(self, names: list[str]) -> Iterator[str]:
        columns = [self._columns[name] for name in names]
        places = [0] * len(columns)
        while True:
            ahead = [
                steps[place] for (steps, _), place in zip(columns, places, strict=True) if place < len(steps)
            ]
            if not ahead:
                return
            step, cells = min(ahead), []
            for number, (steps, values) in enumerate(columns):
                if places[number] < len(steps) and steps[places[number]] == step:
                    cells.append(f"{values[places[number]]:.9g}")
                    places[number] += 1
                else:
                    cells.append("")
            yield ",".join((str(step), *cells))
