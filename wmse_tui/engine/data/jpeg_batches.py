"""Batches by the batched pipeline, from image files that are decoded where the views are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wmse_tui.engine.data.batched import make_views
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.jpeg import decode_jpegs, ordinary
from wmse_tui.engine.data.padded import chunks, pad
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.reference import to_pixels
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.data.sources.image_file import open_image
from wmse_tui.engine.data.staging import SideStream
from wmse_tui.engine.transfer import to_device

AHEAD = 2  # batches whose files are read and decoded before they are needed
READERS = 8  # threads that read files, and decode what is left to Pillow
SAMPLED_NAMES = 1000  # from which the kind of the files of a set is judged
JPEG_NAMES = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True, eq=False)
class EncodedJpeg:
    """A JPEG file that the device can decode, in host memory.

    Args:
        data: the file.
        height, width: of its image, px.
    """

    data: bytearray
    height: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPart:
    """Some images of a batch, decoded.

    Args:
        rows: int64 (n,), their indices in the batch, on the CPU.
        pixels: uint8 (n, 3, height, width), each at the top left and black beside it.
        covered: float32 (n,), on the CPU: the share of the area that each image fills.
    """

    rows: Tensor
    pixels: Tensor
    covered: Tensor


class JpegBatches:
    """Views made on `device`, from JPEGs that it decodes too, one batch ahead of its use.

    A few threads read the files of the batches to come. What is no ordinary JPEG (`jpeg.py`) they decode with
    Pillow, and likewise what the device cannot decode. A batch is decoded and augmented in parts of bounded
    size, as photographs may be large. On a GPU one more thread decodes, on a stream of its own that it waits
    for: the decoder writes its images without waiting for the stream of the caller, so memory that queued
    kernels still use must never get to it (`SideStream`).

    Args:
        images: the set; images that are not in files come decoded.
        plan: how batches are formed and views are made.
        device: of the views.
    """

    def __init__(self, images: ImageSet, plan: ViewPlan, device: torch.device) -> None:
        self._images, self._plan, self._device = images, plan, device
        self._stream = SideStream(device)

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """Normalised views, float32 (views, batch, 3, size, size), of each batch from `start_batch` on.

        Raises:
            EngineError: an image cannot be read; also what the sets raise.
        """
        coming = self._plan.batches(len(self._images), epoch=epoch, start_batch=start_batch)
        ahead: deque[tuple[Tensor, Future[tuple[Tensor, list[DecodedPart]]]]] = deque()
        readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        decoder = ThreadPoolExecutor(1, thread_name_prefix="decoder")
        try:
            for indices in coming:
                files = [readers.submit(self._read, index) for index in indices.tolist()]
                ahead.append((indices, decoder.submit(self._decode_batch, indices, files)))
                if len(ahead) > AHEAD:
                    yield self._views(epoch, *ahead.popleft())
            while ahead:
                yield self._views(epoch, *ahead.popleft())
        finally:
            readers.shutdown(cancel_futures=True)
            decoder.shutdown(cancel_futures=True)

    def _read(self, index: int) -> EncodedJpeg | Tensor:
        """A file for the device, or the image in it, uint8 (3, height, width)."""
        if isinstance(self._images, FileImages):
            try:
                with open_image(self._images.path(index)) as file:
                    data = bytearray(file.read())
            except OSError:
                return self._decode_on_cpu(index)  # which raises with the reason
            size = ordinary(data)
            if size is not None:
                return EncodedJpeg(data, *size)
        return self._decode_on_cpu(index)

    def _decode_on_cpu(self, index: int) -> Tensor:
        return to_pixels(self._images.image(index))

    def _decode_batch(
        self, indices: Tensor, files: Sequence[Future[EncodedJpeg | Tensor]]
    ) -> tuple[Tensor, list[DecodedPart]]:
        """The sizes, int64 (batch, 2), of the images of a batch, and the images; done when it returns."""
        found = [file.result() for file in files]
        sizes = torch.tensor(
            [(f.height, f.width) if isinstance(f, EncodedJpeg) else (f.shape[1], f.shape[2]) for f in found]
        )
        parts = []
        with self._stream.work():
            for rows in chunks(sizes[:, 0], sizes[:, 1], self._device):
                images = self._decode([found[row] for row in rows], indices[rows])
                parts.append(DecodedPart(rows, *pad(images, self._device)))
        return sizes, parts

    def _views(
        self, epoch: int, indices: Tensor, decoded: Future[tuple[Tensor, list[DecodedPart]]]
    ) -> Tensor:
        plan, device = self._plan, self._device
        sizes, parts = decoded.result()
        heights, widths = sizes.unbind(1)
        drawn = tuple(plan.parameters(epoch=epoch, indices=indices, heights=heights, widths=widths))
        views = torch.empty(plan.views, len(indices), 3, plan.size, plan.size, device=device)
        for part in parts:
            made = make_views(
                self._stream.receive(part.pixels),
                torch.arange(len(part.rows)),
                [parameters[part.rows] for parameters in drawn],
                covered=part.covered,
                size=plan.size,
                mean=plan.mean,
                std=plan.std,
            )
            views.index_copy_(1, to_device(part.rows, device), made)
        return views

    def _decode(self, found: Sequence[EncodedJpeg | Tensor], indices: Tensor) -> list[Tensor]:
        """The decoded images `indices`, uint8 (3, height, width), from what was read of them."""
        files = [file for file in found if isinstance(file, EncodedJpeg)]
        decoded = iter(decode_jpegs([file.data for file in files], self._device))
        images: list[Tensor] = []
        for file, index in zip(found, indices.tolist(), strict=True):
            image = next(decoded) if isinstance(file, EncodedJpeg) else file
            if isinstance(file, EncodedJpeg) and (
                image is None or image.shape != (3, file.height, file.width)
            ):
                image = self._decode_on_cpu(index)
            assert image is not None
            images.append(image)
        return images

    def close(self) -> None:
        """Do nothing: nothing runs between epochs."""


def not_jpegs(images: FileImages) -> str | None:
    """Why a decoder of JPEGs is not worth it, by the names of some files; None if nine of ten are JPEGs."""
    sampled = np.linspace(0, len(images) - 1, min(SAMPLED_NAMES, len(images))).astype(int).tolist()
    named = sum(images.path(index).lower().endswith(JPEG_NAMES) for index in sampled)
    if named >= 0.9 * len(sampled):
        return None
    return f"{named:,} of {len(sampled):,} names sampled are of JPEGs"
