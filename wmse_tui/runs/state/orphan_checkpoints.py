"""Checkpoints that were published just before their trainer was killed: on the disk, and not in the log."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wmse_tui.runs.directory import RunDirectory, checkpoint_step
from wmse_tui.runs.log.events import Checkpoint
from wmse_tui.runs.run_folder import RunFolder
from wmse_tui.runs.state.run import RunState

KIND = "unlogged"
"""Why such a checkpoint was saved is recorded in it only, and not read here."""
_SUM = re.compile(r"[0-9a-f]{64}")


def orphan_checkpoints(run: RunDirectory, state: RunState) -> tuple[Checkpoint, ...]:
    """Those beyond the last one in the log, oldest first; a trainer publishes before it logs."""
    last = max((saved.step for saved in state.checkpoints), default=-1)
    return tuple(sorted(_beyond(run, last, state.steps_per_epoch), key=lambda saved: saved.step))


def _beyond(run: RunDirectory, last: int, steps_per_epoch: int) -> Iterator[Checkpoint]:
    try:
        folder = RunFolder(run.checkpoints)
    except OSError:
        return
    with folder:
        yield from _unlogged(folder, last, steps_per_epoch)


def _unlogged(folder: RunFolder, last: int, steps_per_epoch: int) -> Iterator[Checkpoint]:
    for name in _names(folder):
        step = checkpoint_step(name)
        if step is None or step <= last:
            continue
        try:
            bytes_there = folder.status(name).st_size
            fields = folder.read(f"{name}.sha256").decode("ascii", "replace").split()
        except OSError:
            continue  # without its checksum it is none
        sums = [field for field in fields if _SUM.fullmatch(field)]
        if sums:
            yield Checkpoint(
                step=step,
                epoch=step // max(1, steps_per_epoch),
                file=name,
                sha256=sums[-1],
                bytes=bytes_there,
                kinds=(KIND,),
                seconds=0.0,
            )


def _names(folder: RunFolder) -> list[str]:
    try:
        return folder.names()
    except OSError:
        return []
