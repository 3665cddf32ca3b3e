"""Batches by the batched pipeline, from image files that are decoded where the views are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wmse_tui.engine.data.batched import augment
from wmse_tui.engine.data.colour import to_device
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.jpeg import decode_jpegs, ordinary
from wmse_tui.engine.data.padded import chunks, pad
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.reference import to_pixels
from wmse_tui.engine.data.sources.files import FileImages

AHEAD = 2  # batches whose files are read before they are needed
READERS = 8  # threads that read files, and decode what is left to Pillow
SAMPLED_NAMES = 1000  # names that tell what the files of a set are
JPEG_NAMES = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True, eq=False)
class EncodedJpeg:
    """A JPEG file that the device can decode, in host memory.

    Args:
        data: the file.
        height, width: of its picture, px.
    """

    data: bytearray
    height: int
    width: int


class JpegBatches:
    """Views made on `device`, from JPEGs that it decodes too.

    A few threads read the files of the batches to come. What is no ordinary JPEG (`jpeg.py`) they decode with
    Pillow, and so is done with what the device refuses. A batch is decoded and augmented in parts of bounded
    size, as photographs may be large.

    Args:
        images: the set; images that are not in files come as its pictures.
        plan: how batches are formed and views are made.
        device: where the views are wanted.
    """

    def __init__(self, images: ImageSet, plan: ViewPlan, device: torch.device) -> None:
        self._images, self._plan, self._device = images, plan, device

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """Normalised views, float32 (views, batch, 3, size, size), of each batch from `start_batch` on.

        Raises:
            EngineError: an image cannot be read; also what the sets raise.
        """
        coming = self._plan.batches(len(self._images), epoch=epoch, start_batch=start_batch)
        ahead: deque[tuple[Tensor, list[Future[EncodedJpeg | Tensor]]]] = deque()
        pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        try:
            for indices in coming:
                ahead.append((indices, [pool.submit(self._read, index) for index in indices.tolist()]))
                if len(ahead) > AHEAD:
                    yield self._views(epoch, *ahead.popleft())
            while ahead:
                yield self._views(epoch, *ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, index: int) -> EncodedJpeg | Tensor:
        """A file for the device, or the picture in it, uint8 (3, height, width)."""
        if isinstance(self._images, FileImages):
            try:
                data = bytearray(Path(self._images.path(index)).read_bytes())
            except OSError:
                return self._picture(index)  # which says what there is to say
            size = ordinary(data)
            if size is not None:
                return EncodedJpeg(data, *size)
        return self._picture(index)

    def _picture(self, index: int) -> Tensor:
        return to_pixels(self._images.image(index))

    def _views(self, epoch: int, indices: Tensor, files: Sequence[Future[EncodedJpeg | Tensor]]) -> Tensor:
        plan, device = self._plan, self._device
        found = [file.result() for file in files]
        sizes = [
            (f.height, f.width) if isinstance(f, EncodedJpeg) else (f.shape[1], f.shape[2]) for f in found
        ]
        heights, widths = torch.tensor(sizes).unbind(1)
        drawn = tuple(plan.parameters(epoch=epoch, indices=indices, heights=heights, widths=widths))
        views = torch.empty(plan.views, len(indices), 3, plan.size, plan.size, device=device)
        for rows in chunks(heights, widths, device):
            pixels, covered = pad(self._decode([found[row] for row in rows], indices[rows]), device)
            where, all_rows = to_device(rows, device), torch.arange(len(rows))
            for out, parameters in zip(views, drawn, strict=True):
                made = augment(
                    pixels,
                    all_rows,
                    parameters[rows],
                    covered=covered,
                    size=plan.size,
                    mean=plan.mean,
                    std=plan.std,
                )
                out.index_copy_(0, where, made)
        return views

    def _decode(self, found: Sequence[EncodedJpeg | Tensor], indices: Tensor) -> list[Tensor]:
        """The pictures, uint8 (3, height, width), of what was read for the images `indices`."""
        files = [file for file in found if isinstance(file, EncodedJpeg)]
        decoded = iter(decode_jpegs([file.data for file in files], self._device))
        pictures: list[Tensor] = []
        for file, index in zip(found, indices.tolist(), strict=True):
            picture = next(decoded) if isinstance(file, EncodedJpeg) else file
            if isinstance(file, EncodedJpeg) and (
                picture is None or picture.shape != (3, file.height, file.width)
            ):
                picture = self._picture(index)
            assert picture is not None
            pictures.append(picture)
        return pictures

    def close(self) -> None:
        """Nothing runs between epochs, so there is nothing to end."""


def not_jpegs(images: FileImages) -> str | None:
    """Why a decoder of JPEGs is not worth it, by the names of some files; None if nine of ten are JPEGs."""
    looked_at = np.linspace(0, len(images) - 1, min(SAMPLED_NAMES, len(images))).astype(int).tolist()
    named = sum(images.path(index).lower().endswith(JPEG_NAMES) for index in looked_at)
    if named >= 0.9 * len(looked_at):
        return None
    return f"{named:,} of {len(looked_at):,} names looked at are of JPEGs"
