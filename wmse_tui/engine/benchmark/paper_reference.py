"""A reference implementation for comparison: what the paper's code does, with the same libraries.

Images are changed one at a time by torchvision's transforms, which draw their parameters themselves, in the
worker processes of a DataLoader; the loss whitens slice by slice and view by view; a step is in float32 and
in torch's default memory layout, by an optimiser that works parameter by parameter, and waits for its loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from wmse_tui.config.methods import WMse
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.workers import prepare_worker, worker_context
from wmse_tui.engine.methods import build_method


def view_transform(plan: ViewPlan) -> transforms.Compose:
    """One view of one image: jitter, grayscale, crop, flip, blur, tensor, normalisation."""
    law = plan.law
    jitter = transforms.ColorJitter(law.brightness, law.contrast, law.saturation, law.hue)
    steps: list[Any] = [
        transforms.RandomApply([jitter], p=law.jitter_p),
        transforms.RandomGrayscale(law.grayscale_p),
        transforms.RandomResizedCrop(
            plan.size, scale=law.crop_scale, ratio=law.crop_ratio, interpolation=InterpolationMode.BICUBIC
        ),
        transforms.RandomHorizontalFlip(law.flip_p),
    ]
    if law.blur_p:
        blur = transforms.GaussianBlur(max(3, plan.size // 20 * 2 + 1), law.blur_sigma)
        steps.append(transforms.RandomApply([blur], p=law.blur_p))
    return transforms.Compose([*steps, transforms.ToTensor(), transforms.Normalize(plan.mean, plan.std)])


class ViewDataset(Dataset[list[Tensor]]):
    """The views of one image at a time."""

    def __init__(self, images: ImageSet, plan: ViewPlan) -> None:
        self._images, self._views, self._transform = images, plan.views, view_transform(plan)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> list[Tensor]:
        image = self._images.image(index)
        return [self._transform(image) for _ in range(self._views)]


def augment_one_by_one(images: list[Image.Image], transform: transforms.Compose) -> Tensor:
    """One view of each image, float32 (n, 3, size, size)."""
    return torch.stack([transform(image) for image in images])


def batches_of_workers(images: ImageSet, plan: ViewPlan, *, workers: int) -> Iterator[list[Tensor]]:
    """Batches without end: for each, a list of the views (batch, 3, size, size)."""
    loader = DataLoader(
        ViewDataset(images, plan),
        batch_size=plan.batch_size,
        sampler=RandomSampler(range(len(images)), replacement=True, num_samples=10**9),
        num_workers=workers,
        worker_init_fn=prepare_worker if workers else None,
        multiprocessing_context=worker_context() if workers else None,
        drop_last=True,
    )
    return iter(loader)


def loss_by_loops(
    embeddings: Tensor, *, whitening_size: int, permutations: Tensor, eps: float = 0.0
) -> Tensor:
    """W-MSE of (views, batch, dim): slice by slice, view by view, pair by pair."""
    losses = []
    identity = torch.eye(embeddings.shape[-1], device=embeddings.device)
    for order in permutations:
        whitened = []
        for view in embeddings:
            slices = []
            for rows in order.split(whitening_size):
                x = view[rows]
                centred = x - x.mean(0)
                covariance = (1 - eps) * (centred.T @ centred / (whitening_size - 1)) + eps * identity
                factor = torch.linalg.cholesky(covariance)
                inverse = torch.linalg.solve_triangular(factor, identity, upper=False)
                kernel = inverse[:, :, None, None]
                slices.append(torch.conv2d(centred[:, :, None, None], kernel)[:, :, 0, 0])
            unsorted = torch.empty_like(view)
            unsorted[order] = torch.cat(slices)
            whitened.append(unsorted)
        for a, b in itertools.combinations(whitened, 2):
            losses.append((2 - 2 * (normalize(a, dim=1) * normalize(b, dim=1)).sum(1)).mean())
    return torch.stack(losses).mean()


class ReferenceSteps:
    """Steps as in the paper's code. For other methods than W-MSE the loss is ours.

    Args: as of `inspection.steps.Steps`.
    """

    def __init__(self, experiment: Experiment, device: torch.device) -> None:
        self.method = build_method(experiment).to(device).train()
        self.method.views_together = False
        self._experiment = experiment
        self._device = device
        self._optimizer = torch.optim.Adam(
            self.method.trainable_parameters(),
            lr=experiment.optimizer.lr,
            weight_decay=experiment.optimizer.weight_decay,
            foreach=False,
        )
        self._taken = 0

    def step(self, views: Tensor) -> float:
        """One step; returns its loss."""
        self._taken += 1
        key = (self._experiment.seed, self._taken)
        options = self._experiment.method
        self._optimizer.zero_grad()
        if isinstance(options, WMse) and options.operator == "cholesky":
            embeddings = self.method.embed(views)
            orders = self.method.permutations(views.shape[1], key)  # type: ignore[operator]
            loss = loss_by_loops(
                embeddings,
                whitening_size=options.whitening_size,
                permutations=orders.to(self._device),
                eps=options.eps,
            )
        else:
            loss = self.method(views, step_key=key).total
        loss.backward()
        self._optimizer.step()
        self.method.after_step(0.0)
        return float(loss.item())
