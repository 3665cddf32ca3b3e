"""Work for a batch to come, on a stream of its own beside the steps: copies from the host, and decoding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor


class SideStream:
    """A CUDA stream for work of another thread, whose results other streams use; on a CPU a no-op.

    Torch's allocator reuses memory in the order of the stream that allocated it. So a tensor made here is
    also recorded on the stream that uses it, and its memory is reused only when that stream is done with it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None

    @contextmanager
    def work(self) -> Iterator[None]:
        """Queue the work of this block on the stream, and wait for it at the end of the block."""
        if self._device.type != "cuda":
            yield
            return
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            yield
        self._stream.synchronize()

    def receive(self, made: Tensor) -> Tensor:
        """A tensor made in a finished block of `work`, for use on the current stream."""
        if made.device.type == "cuda":
            made.record_stream(torch.cuda.current_stream(made.device))
        return made


@dataclass(frozen=True, slots=True)
class Transfer:
    """Images whose copy to the device has begun.

    Args:
        rows: int64 (n,), which images they are.
        images: uint8 (n, 3, height, width) on the device; to be read once `arrive` has been called.
        copied: the event at the end of the copy; None on a CPU, where it is over.
    """

    rows: Tensor
    images: Tensor
    copied: torch.cuda.Event | None

    def arrive(self) -> Tensor:
        """The images; the current stream of the device waits for their copy before its next kernel."""
        if self.copied is not None:
            stream = torch.cuda.current_stream(self.images.device)
            stream.wait_event(self.copied)
            self.images.record_stream(stream)  # their memory belongs to the stream of the copies
        return self.images


class Staging:
    """Gathers batches into two buffers that are used in turn, and copies them from there.

    A GPU can copy from pinned memory while it computes, without the host waiting. So the next batch is
    gathered and its copy begun, on a stream of its own, before the present one is used. A buffer is
    written again only when the copy out of it is over.

    Args:
        pixels: uint8 (images, 3, height, width), on the CPU.
        device: of the batches.
        batch: images in the largest of them.
        pin: use pinned memory, as only a CUDA device can.
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
