"""Small tensors from the host to a device, packed into one pinned buffer and copied asynchronously.

A copy from pageable memory makes the host wait for the device, and each copy costs a GPU about 5 us. So all
host tensors of a step are copied together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

ALIGNMENT = 16
"""Bytes; each tensor of a buffer begins at a multiple of it, as kernels may read so many at once."""


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the host to `device` without waiting for it; on a CPU it is `tensor` itself."""
    return pack_to_device((tensor,), device)[0]


def pack_to_device(tensors: Sequence[Tensor], device: torch.device) -> tuple[Tensor, ...]:
    """Copy tensors of the host to `device` in one piece, without waiting; on a CPU they stay as they are."""
    if device.type == "cpu" or not tensors:
        return tuple(tensors)
    return unpack_bytes(pack_bytes(tensors, pin=device.type == "cuda").to(device, non_blocking=True), tensors)


class FixedTensors:
    """Tensors whose memory on a device never changes, so that recorded work can read it; filled in one copy.

    Args:
        tensors: of the host, with the dtypes and shapes of all that will be copied; the first contents.
        device: of the memory.

    Attributes:
        parts: the tensors on the device.
    """

    def __init__(self, tensors: Sequence[Tensor], device: torch.device) -> None:
        self._buffer = pack_bytes(tensors, pin=device.type == "cuda").to(device)
        self.parts = unpack_bytes(self._buffer, tensors)

    def fill(self, tensors: Sequence[Tensor]) -> None:
        """Copy tensors of the host, without waiting: the current stream has them before its next kernel."""
        self._buffer.copy_(pack_bytes(tensors, pin=self._buffer.is_cuda), non_blocking=True)


def pack_bytes(tensors: Sequence[Tensor], *, pin: bool) -> Tensor:
    """The bytes of tensors of the host in one buffer, uint8 (bytes,)."""
    buffer = host_buffer(sum(_padded_bytes(tensor) for tensor in tensors), pin=pin)
    for part, tensor in zip(unpack_bytes(buffer, tensors), tensors, strict=True):
        part.copy_(tensor)
    return buffer


def unpack_bytes(buffer: Tensor, like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The tensors in a packed `buffer` on any device: parts of it, with the dtypes and shapes of `like`."""

    def parts() -> Iterator[Tensor]:
        start = 0
        for tensor in like:
            part = buffer[start : start + tensor.numel() * tensor.element_size()]
            yield part.view(tensor.dtype).view(tensor.shape)
            start += _padded_bytes(tensor)

    return tuple(parts())


def host_buffer(size: int, *, pin: bool) -> Tensor:
    """Uninitialised bytes of the host, uint8 (size,); pinned memory is reused once its copies are over."""
    return torch.empty(size, dtype=torch.uint8, pin_memory=pin)


def _padded_bytes(tensor: Tensor) -> int:
    size = tensor.numel() * tensor.element_size()
    return -(-size // ALIGNMENT) * ALIGNMENT
