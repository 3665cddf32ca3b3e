"""Batches by the batched pipeline, from images that stay in the memory of the device or of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from wmse_tui.engine.data.batched import make_views
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.recorded_views import RecordedViews
from wmse_tui.engine.data.staging import Staging, prefetched
from wmse_tui.engine.recording import Recorder, RecordingFailed


class ResidentBatches:
    """Views made on `device`. Between two batches only small numbers are copied to it, and the images of a
    batch where they stay in host memory.

    Args:
        pixels: uint8 (images, 3, height, width), on the CPU.
        plan: how batches are formed and views are made.
        device: of the views.
        on_device: keep the images there too; else each batch of them is sent.
        recorder: of the device, where the making of views is to be recorded and replayed.
        notify: called with the reason where it cannot be recorded; views are made as written then.
    """

    def __init__(
        self,
        pixels: Tensor,
        plan: ViewPlan,
        device: torch.device,
        *,
        on_device: bool,
        recorder: Recorder[Tensor] | None = None,
        notify: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._images = len(pixels)
        self._plan = plan
        self._notify = notify
        self._pixels = pixels.to(device) if on_device else None
        self._staging = (
            None if on_device else Staging(pixels, device, batch=plan.own_size, pin=device.type == "cuda")
        )
        self._arrived: Tensor | None = None
        self._recorded: RecordedViews | None = None
        if recorder is not None:
            if self._pixels is None:
                self._arrived = torch.empty(
                    (plan.own_size, *pixels.shape[1:]), dtype=pixels.dtype, device=device
                )
            fixed = self._pixels if self._arrived is None else self._arrived
            assert fixed is not None
            self._recorded = RecordedViews(plan, fixed, recorder)

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """Normalised views, float32 (views, batch, 3, size, size), of each batch from `start_batch` on."""
        coming = self._plan.batches(self._images, epoch=epoch, start_batch=start_batch)
        if self._staging is None:
            assert self._pixels is not None
            for indices in coming:
                yield self._views(epoch, indices, self._pixels, indices)
        else:
            for sent in prefetched(coming, self._staging.send):
                yield self._views(epoch, sent.rows, sent.arrive(), torch.arange(len(sent.rows)))

    def _views(self, epoch: int, indices: Tensor, pixels: Tensor, rows: Tensor) -> Tensor:
        """Views of the images `indices`, which are the `rows` of `pixels`."""
        if self._recorded is not None:
            if self._arrived is not None:
                self._arrived.copy_(pixels)
            try:
                return self._recorded(epoch=epoch, indices=indices, rows=rows)
            except RecordingFailed as error:
                self._recorded = self._arrived = None
                self._notify(str(error))
        plan = self._plan
        height, width = pixels.shape[2:]
        drawn = tuple(plan.parameters(epoch=epoch, indices=indices, heights=height, widths=width))
        return make_views(pixels, rows, drawn, size=plan.size, mean=plan.mean, std=plan.std)

    def close(self) -> None:
        """Do nothing: nothing runs between batches."""
