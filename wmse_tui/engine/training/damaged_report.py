"""What a run reports of image files that it passes over: how many, which, and all of them in a file."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.engine.data.dataset_sources import Data, image_name, image_path
from wmse_tui.runs.log.events import DAMAGED_LISTING, Damaged, DamagedFile, Event
from wmse_tui.runs.run_folder import publish_file

PER_EVENT = 100
SECONDS = 1.0
"""Between two reports."""


class DamagedReport:
    """Reports the images that are passed over, as they are found.

    Args:
        data: the images of the run.
        dataset: the section that names their folders.
        known: files that earlier attempts have reported.
        folder: returns the folder of the listing.
        write: writes an event to the log.
    """

    def __init__(
        self,
        data: Data,
        dataset: Dataset,
        known: Sequence[DamagedFile],
        *,
        folder: Callable[[], Path],
        write: Callable[[Event], None],
    ) -> None:
        self._sets = data.damaged()
        self._images = sum(images.images for images in self._sets)
        self._dataset = dataset
        self._listed = {file.name: file.reason for file in known}
        self._folder = folder
        self._write = write
        self._reported, self._reported_at = 0, -math.inf

    def update(self, *, at_once: bool = False) -> None:
        """Report what has been found since the last report; costs nothing where that is nothing.

        Args:
            at_once: also where that was a moment ago.
        """
        count = sum(len(images.files) for images in self._sets)
        now = time.monotonic()
        if count == self._reported or not (at_once or now - self._reported_at >= SECONDS):
            return
        self._reported, self._reported_at = count, now
        found = {
            image_name(self._dataset, path): reason
            for images in self._sets
            for path, reason in images.files.items()
        }
        new = iter([(name, reason) for name, reason in found.items() if self._listed.get(name) != reason])
        self._listed.update(found)
        while part := tuple(DamagedFile(name, reason) for name, reason in islice(new, PER_EVENT)):
            self._write(Damaged(count=len(found), images=self._images, files=part))
        lines = (
            f"{image_path(self._dataset, name)}\t{reason}".replace("\n", "\\n") + "\n"
            for name, reason in self._listed.items()
        )
        with suppress(OSError):  # the log has them too
            publish_file(self._folder() / DAMAGED_LISTING, "".join(lines).encode("utf-8", "surrogateescape"))
