"""Rows of images in host memory on their way to a device, one batch ahead of its use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Transfer:
    """Images that are on their way, or there.

    Args:
        rows: int64 (n,), which images they are.
        images: uint8 (n, 3, height, width) on the device; to be read once `arrive` has been called.
        copied: what tells of the end of the copy; None where copies end before the next line of the program.
    """

    rows: Tensor
    images: Tensor
    copied: torch.cuda.Event | None

    def arrive(self) -> Tensor:
        """The images; what the current stream of the device does from now on waits for their copy."""
        if self.copied is not None:
            stream = torch.cuda.current_stream(self.images.device)
            stream.wait_event(self.copied)
            self.images.record_stream(stream)  # their memory was taken for the stream of the copies
        return self.images


class Staging:
    """Gathers batches into two buffers that are used in turn, and copies them from there.

    A GPU can copy from pinned memory while it computes, and the host does not wait for it. So the batch to
    come is gathered and on its way, in a stream of its own, before the present one is used. A buffer is
    written again only when the copy out of it is over.

    Args:
        pixels: uint8 (images, 3, height, width), on the CPU.
        device: where the batches are wanted.
        batch: images in the largest of them.
        pin: take pinned memory, as only a CUDA device can.
    """

    def __init__(self, pixels: Tensor, device: torch.device, *, batch: int, pin: bool) -> None:
        self._pixels = pixels
        self._device = device
        shape = (batch, *pixels.shape[1:])
        self._buffers = [torch.empty(shape, dtype=pixels.dtype, pin_memory=pin) for _ in range(2)]
        self._copied: list[torch.cuda.Event | None] = [None, None]
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._turn = 0

    def send(self, rows: Tensor) -> Transfer:
        """Gather the images `rows` (int64 (n,), at most a batch) and begin their copy."""
        turn, self._turn = self._turn, 1 - self._turn
        before = self._copied[turn]
        if before is not None:
            before.synchronize()  # the copy of two batches ago: over long since
        buffer = self._buffers[turn][: len(rows)]
        torch.index_select(self._pixels, 0, rows, out=buffer)
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            images = buffer.to(self._device, non_blocking=True, copy=True)
            copied = None if self._stream is None else self._stream.record_event()
        self._copied[turn] = copied
        return Transfer(rows, images, copied)


def prefetched(rows: Iterable[Tensor], send: Callable[[Tensor], Transfer]) -> Iterator[Transfer]:
    """Each batch, when the next one has been sent."""
    ahead: Transfer | None = None
    for batch in rows:
        sent = send(batch)
        if ahead is not None:
            yield ahead
        ahead = sent
    if ahead is not None:
        yield ahead
