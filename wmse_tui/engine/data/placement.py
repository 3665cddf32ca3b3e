"""Where the images of a run stay between the batches, and why."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wmse_tui.runs.text.units import size

DEVICE_SHARE = 0.5  # of the free memory of a GPU that the images may take


@dataclass(frozen=True, slots=True)
class Placement:
    """What `place_images` chose.

    Args:
        on_device: the images stay on the device; else in host memory, from where each batch is sent.
        reason: for people.
    """

    on_device: bool
    reason: str


def place_images(nbytes: int, device: torch.device, *, free: int | None) -> Placement:
    """Choose for images of so many bytes that are in memory and of one size.

    Args:
        device: that trains.
        free: bytes of its memory that no process uses; None: it computes in the memory of the host.
    """
    if free is None:
        return Placement(True, f"{size(nbytes)} of images in memory ({device.type})")
    if nbytes <= DEVICE_SHARE * free:
        return Placement(True, f"{size(nbytes)} of images on {device}, of {size(free)} free there")
    return Placement(
        False,
        f"{size(nbytes)} of images in host memory, each batch sent ahead through pinned memory: "
        f"{device} has {size(free)} free, and images may take {DEVICE_SHARE:.0%} of it",
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes of a GPU's memory that no process uses; None for devices without memory of their own."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
