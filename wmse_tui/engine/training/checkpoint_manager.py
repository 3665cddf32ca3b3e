"""The checkpoints of a run: when one is due, which is best, what happens on a disk error, which to remove."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wmse_tui.config.sections.checkpoint import CheckpointOptions
from wmse_tui.engine.training.checkpoints import (
    has_name,
    name_checkpoint,
    prune_checkpoints,
    save_checkpoint,
    saved_checkpoint,
)
from wmse_tui.runs.log.events import Checkpoint, Evaluation, Event, Notice

PATIENCE = 3
"""Failed saves in a row that end the run: more would risk ever more work."""
RETRY_SHARE = 0.1
"""After a failed save the next is tried this share of `every_minutes` later: by the last failure the work at
risk is a fifth more than what `every_minutes` promises, and not three times as much."""
MUST_SAVE = frozenset({"stop", "final"})
NAMES = ("best", "final")
"""The kinds that have a file of their own."""


class CheckpointManager:
    """Saves the states that the loop passes, under the rules of `config`.

    Args:
        folder: gives the run's checkpoints folder, which may be moved meanwhile.
        config: how often, how many.
        write: writes an event to the log.
        sync_log: makes the log durable; called before a checkpoint is published.
        best: the best accuracy so far, from the checkpoint that is resumed.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        config: CheckpointOptions,
        *,
        write: Callable[[Event], None],
        sync_log: Callable[[], object],
        best: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._config = config
        self._write = write
        self._sync_log = sync_log
        self._clock = clock
        self._last = clock()
        self._failed = 0
        self.best = best
        self._best_saved = best

    def due(self) -> bool:
        """Whether `every_minutes` have passed since the last checkpoint, or less since a failed one."""
        share = RETRY_SHARE if self._failed else 1.0
        return self._clock() - self._last >= share * self._config.every_minutes * 60

    def is_best(self, result: Evaluation) -> bool:
        """Record an evaluation; whether it beats all before. k-NN decides, else the linear probe."""
        accuracy = result.knn.top1 if result.knn else result.linear.top1 if result.linear else None
        if accuracy is None or (self.best is not None and accuracy <= self.best):
            return False
        self.best = accuracy
        return True

    def finish(self, path: Path, kinds: Sequence[str]) -> None:
        """Give the checkpoint that is resumed the names it was saved for: the attempt may have died before.

        Raises:
            OSError: of the disk.
        """
        names = [name for name in NAMES if name in kinds]
        if names:
            published = saved_checkpoint(path)
            for name in names:
                if not has_name(published, name):
                    name_checkpoint(published, name)

    def save(self, state: Mapping[str, Any], *, step: int, epoch: int, kinds: tuple[str, ...]) -> str:
        """Save and publish; returns the file's name, or "" on a disk error after which training may continue.

        Raises:
            OSError: a checkpoint that must not be missed (at a stop, at the end) cannot be saved, or the
                third in a row.
        """
        before = self._clock()
        try:
            published = save_checkpoint(
                self._folder(),
                step,
                {**state, "best": self.best, "kinds": kinds},
                before_publishing=self._sync_log,
            )
            for name in NAMES:
                if name in kinds:
                    name_checkpoint(published, name)
        except OSError as error:
            self._last = self._clock()
            self._failed += 1
            self.best = self._best_saved  # an accuracy whose weights are lost must not bar a lesser one
            if self._failed >= PATIENCE or MUST_SAVE & set(kinds):
                raise
            self._write(
                Notice(
                    level="warning",
                    code="E_CHECKPOINT_REFUSED",
                    text=f"checkpoint of step {step} could not be saved: {error.strerror or error}. "
                    f"The previous one is intact; training continues ({self._failed} of {PATIENCE}).",
                )
            )
            return ""
        self._failed = 0
        self._best_saved = self.best
        self._last = self._clock()
        self._write(
            Checkpoint(
                step=step,
                epoch=epoch,
                file=published.path.name,
                sha256=published.sha256,
                bytes=published.bytes,
                kinds=kinds,
                seconds=self._last - before,
            )
        )
        self._sync_log()
        # Removed only after the new one is published: at every instant a whole one exists.
        # One that cannot be removed uses space, and is tried again next time.
        with contextlib.suppress(OSError):
            prune_checkpoints(self._folder(), keep=self._config.keep)
        return published.path.name
