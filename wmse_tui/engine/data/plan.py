"""How batches are formed and views are drawn, as plain numbers; all pipelines use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.view_parameters import ORDERS, ViewLaw, ViewParameters, draw_parameters
from wmse_tui.engine.random import epoch_order


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewPlan:
    """How batches are formed and views are made.

    Args:
        law: the distribution of views.
        seed: of the run.
        views: per image.
        batch_size: images per batch, of all ranks; those that do not fill one are left out of the epoch.
        rank, world: which of how many equal parts of each batch this process makes views of.
        whole_batches: it makes all views of each `world`-th batch instead.
        size: height and width of the views in pixels.
        mean, std: per channel, for values in [0, 1].
    """

    law: ViewLaw
    seed: int
    views: int
    batch_size: int
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rank: int = 0
    world: int = 1
    whole_batches: bool = False

    @property
    def own_size(self) -> int:
        """The images of a batch that this process makes views of."""
        return self.batch_size if self.whole_batches else self.batch_size // self.world

    def batches(self, images: int, *, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """The images, int64 (own_size,), of each batch of an epoch from `start_batch` on."""
        order = epoch_order(images, seed=self.seed, epoch=epoch)
        full = images // self.batch_size * self.batch_size
        every = order[:full].view(-1, self.batch_size)[start_batch:]
        if self.whole_batches:
            return iter(every[self.rank :: self.world].unbind())
        first = self.rank * self.own_size
        return iter(every[:, first : first + self.own_size].unbind())

    def parameters(
        self, *, epoch: int, indices: Tensor, heights: int | Tensor, widths: int | Tensor
    ) -> Iterator[ViewParameters]:
        """The parameters of each view of some images, whose sizes in pixels are given; all drawn at once."""
        count, views = len(indices), torch.arange(self.views, device=indices.device)
        view = views.repeat_interleave(count)
        drawn = self.draw(epoch=epoch, indices=indices, heights=heights, widths=widths, view=view)
        for first in range(0, self.views * count, count):
            yield drawn[first : first + count]

    def draw(
        self,
        *,
        epoch: int | Tensor,
        indices: Tensor,
        heights: int | Tensor,
        widths: int | Tensor,
        view: Tensor,
        orders: Tensor = ORDERS,
    ) -> ViewParameters:
        """The parameters of all views of some images, one view after the other.

        Args:
            epoch: from 0; a number, or int64 () on the device of the indices.
            indices: int64 (n,), on the device that draws.
            heights, widths: of the images in pixels.
            view: int64 (views * n,), the number of each view.
            orders: as of `draw_parameters`.
        """
        return draw_parameters(
            self.law,
            seed=self.seed,
            epoch=epoch,
            indices=indices.repeat(self.views),
            view=view,
            heights=heights.repeat(self.views) if isinstance(heights, Tensor) else heights,
            widths=widths.repeat(self.views) if isinstance(widths, Tensor) else widths,
            orders=orders,
        )


def plan_views(
    experiment: Experiment, *, rank: int = 0, world: int = 1, whole_batches: bool = False
) -> ViewPlan:
    """The plan of a configuration, for one of `world` ranks; see `ViewPlan`."""
    mean, std = experiment.dataset.normalisation()
    return ViewPlan(
        law=ViewLaw(
            **{field.name: getattr(experiment.augmentation, field.name) for field in fields(ViewLaw)}
        ),
        seed=experiment.seed,
        views=experiment.augmentation.views,
        batch_size=experiment.schedule.batch_size,
        size=experiment.dataset.crop,
        mean=mean,
        std=std,
        rank=rank,
        world=world,
        whole_batches=whole_batches,
    )
