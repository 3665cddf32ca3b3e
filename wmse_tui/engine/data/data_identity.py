"""The fingerprints of all images of a run, and whether those of a checkpoint are the same.

A file that cannot be read is no other image: where a file of a fingerprint has changed and is damaged now, it
is named, or passed over, as any damaged image is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from wmse_tui.engine.data.dataset_sources import fingerprint, split_text
from wmse_tui.engine.data.fingerprint import changed_images, difference
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.sources.files import FileImages, where
from wmse_tui.engine.errors import CheckpointError


class DataIdentity:
    """The fingerprints of all images of a run.

    Args:
        sets: by what they are for.
    """

    def __init__(self, sets: Mapping[str, ImageSet]) -> None:
        self._sets = sets
        self._found = {name: fingerprint(images) for name, images in sets.items()}

    def text(self) -> str:
        """For people to compare runs by."""
        return "images by names, sizes and samples: " + ", ".join(
            f"{split_text(images)} {self._found[name].text()}" for name, images in self._sets.items()
        )

    def state(self) -> dict[str, dict[str, Any]]:
        """As a checkpoint stores it."""
        return {name: found.state() for name, found in self._found.items()}

    def require_same(self, saved: Mapping[str, Any], *, more: bool = False) -> None:
        """Refuse other images than those of a checkpoint, with the difference.

        Args:
            saved: the record of the checkpoint.
            more: sets that the checkpoint does not know are allowed.

        Raises:
            CheckpointError: a set differs, is new or is not there any more.
            DataError: what differs is files that cannot be read, and they are not passed over.
        """
        try:
            found = self._difference(saved, more=more)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "the checkpoint's record of its images cannot be read", str(error), next=("start a new run",)
            ) from error
        if found is not None:
            raise CheckpointError(
                "the images are not those of the checkpoint",
                found,
                next=("restore the images as they were, then resume the run", "start a new run"),
            )

    def _difference(self, saved: Mapping[str, Any], *, more: bool) -> str | None:
        for name, images in self._sets.items():
            if name not in saved:
                if more:
                    continue
                return f"{split_text(images)} was not there then"
            now = self._found[name]
            found = difference(saved[name], now, partial(where, images))
            if found is not None and not _all_damaged(images, changed_images(saved[name], now)):
                return f"{split_text(images)}: {found}"
        absent = sorted(set(saved) - set(self._sets))
        return f"there was a set for {', '.join(absent)} then" if absent else None


def _all_damaged(images: ImageSet, changed: Sequence[int]) -> bool:
    """Whether there are changed files, and none of them can be read; then they count as passed over.

    Raises:
        DataError: the first of them cannot be read, and is not passed over.
    """
    return (
        isinstance(images, FileImages)
        and bool(changed)
        and all(images.readable_file(index) is None for index in changed)
    )
