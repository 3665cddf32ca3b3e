"""The views of a batch on a GPU as one launch: drawing them and making them is recorded once, then replayed.

Randomness is counted, so all that differs from batch to batch is which images it holds and the number of the
epoch. The device computes the rest from these, as the CPU does for views as written.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wmse_tui.engine.data.device_views import (
    Constants,
    blur_pixels,
    constants_of,
    fields_of,
    geometry_of,
    make_device_views,
    needed_by_law,
    prepare_numbers,
)
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.view_parameters import ORDERS
from wmse_tui.engine.recording import Recorder, RecordingFailed, first_cause, first_lines
from wmse_tui.engine.transfer import FixedTensors, pack_to_device

WARM_UP = 2
"""Batches made as written before one is recorded: libraries choose their algorithms in them."""


class RecordedViews:
    """Makes views of `pixels`.

    Args:
        plan: how batches are formed and views are made.
        pixels: uint8 (images, 3, height, width) on the device; their memory is read at each replay.
        recorder: of the device.
    """

    def __init__(self, plan: ViewPlan, pixels: Tensor, recorder: Recorder[Tensor]) -> None:
        self._plan = plan
        self._pixels = pixels
        self._recorder = recorder
        height, width = pixels.shape[2:]
        self._geometry = geometry_of(height, width, plan.size)
        self._needed = needed_by_law(plan.law, self._geometry, height=height, width=width)
        largest = self._needed.largest_blur
        view = torch.arange(plan.views).repeat_interleave(plan.own_size)
        constants = fields_of(constants_of(self._geometry, plan.mean, plan.std))
        fixed = (ORDERS, view, *constants, *(blur_pixels(plan.size, largest) if largest else ()))
        self._orders, self._view, *moved = pack_to_device(fixed, pixels.device)
        self._constants = Constants(*moved[: len(constants)])
        self._blur = tuple(moved[len(constants) :])
        none = torch.zeros(plan.own_size, dtype=torch.int64)
        self._inputs = FixedTensors((torch.tensor(0), none, none), pixels.device)
        self._to_warm_up = WARM_UP
        self._replay: Callable[[], Tensor] | None = None

    def __call__(self, *, epoch: int, indices: Tensor, rows: Tensor) -> Tensor:
        """The views float32 (views, batch, 3, size, size) of a batch.

        Args:
            epoch: from 0.
            indices: int64 (batch,) on the CPU, the images' numbers in their set.
            rows: int64 (batch,) on the CPU, where they are in the `pixels`.

        Raises:
            RecordingFailed: their making cannot be recorded; nothing was made.
        """
        with self._recorder.on_stream():
            self._inputs.fill((torch.tensor(epoch), indices, rows))
            made = self._next()
        return made.clone()  # the next batch is made in the same memory

    def _next(self) -> Tensor:
        if self._to_warm_up:
            self._to_warm_up -= 1
            return self._make()
        if self._replay is None:
            try:
                self._replay = self._recorder.record(self._make)
            except Exception as error:
                raise RecordingFailed(first_lines(first_cause(error))) from error
        return self._replay()

    def _make(self) -> Tensor:
        """The views of the batch in the fixed inputs, by operations of the device alone."""
        plan, pixels = self._plan, self._pixels
        epoch, indices, rows = self._inputs.parts
        parameters = plan.draw(
            epoch=epoch,
            indices=indices,
            heights=pixels.shape[2],
            widths=pixels.shape[3],
            view=self._view,
            orders=self._orders,
        )
        views = make_device_views(
            pixels,
            rows.repeat(plan.views),
            self._constants,
            prepare_numbers(parameters, None, self._constants, self._geometry),
            self._needed,
            self._blur,
            self._geometry,
        )
        return views.view(plan.views, plan.own_size, *views.shape[1:])
