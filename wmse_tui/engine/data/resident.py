"""Batches by the batched pipeline, from images that stay in memory, on the device itself where they fit."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from wmse_tui.engine.data.batched import augment
from wmse_tui.engine.data.colour import send
from wmse_tui.engine.data.plan import ViewPlan

DEVICE_SHARE = 0.5  # of the free memory of a GPU that the images may take


class ResidentBatches:
    """Views made on `device`. Nothing but the copies of small numbers happens between two batches.

    Args:
        pixels: uint8 (images, 3, height, width), on the CPU.
        plan: how batches are formed and views are made.
        device: where the views are wanted.
    """

    def __init__(self, pixels: Tensor, plan: ViewPlan, device: torch.device) -> None:
        self._resident = fits(pixels, device)
        self._pixels = pixels.to(device) if self._resident else pixels
        self._plan = plan
        self._device = device

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """Normalised views, float32 (views, batch, 3, size, size), of each batch from `start_batch` on."""
        for indices in self._plan.batches(len(self._pixels), epoch=epoch, start_batch=start_batch):
            yield self._views(epoch, indices)

    def _views(self, epoch: int, indices: Tensor) -> Tensor:
        plan, pixels, rows = self._plan, self._pixels, indices
        if not self._resident:
            pixels, rows = send(pixels[indices], self._device), torch.arange(len(indices))
        height, width = pixels.shape[2:]
        views = torch.empty(plan.views, len(indices), 3, plan.size, plan.size, device=pixels.device)
        drawn = plan.parameters(epoch=epoch, indices=indices, heights=height, widths=width)
        for out, parameters in zip(views, drawn, strict=True):
            augment(pixels, rows, parameters, size=plan.size, mean=plan.mean, std=plan.std, out=out)
        return views

    def close(self) -> None:
        """Nothing runs between batches, so there is nothing to end."""


def fits(pixels: Tensor, device: torch.device) -> bool:
    """May the images stay on the device?"""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return pixels.nbytes <= DEVICE_SHARE * free
