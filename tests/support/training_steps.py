"""Single steps of a training on a GPU, for scripts that count or time them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

import torch
from torch import Tensor

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.pipelines import Pipeline, build_batches
from wmse_tui.engine.methods import Losses, build_method, move_to_device
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training.device import prepare
from wmse_tui.engine.training.graph import stepper
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.stepping import EagerStepper, Stepper


def smooth_noise(experiment: Experiment, count: int) -> Tensor:
    """Images of the size of the experiment's data set, uint8 (count, 3, size, size)."""
    size = DATASETS[experiment.dataset.name].size or experiment.dataset.crop
    coarse = torch.randint(0, 256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    return fine.round().clamp(0, 255).to(torch.uint8)


class TrainingSteps:
    """The batches, networks and optimiser of an experiment on a GPU, as a trainer makes them.

    Args:
        experiment: `compute.device` is ignored.
        batches: images, in batches; smooth noise of the data set's size.
        make: makes the batches of an experiment on a device, if not of these.

    Attributes:
        notices: of the stepper.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        batches: int = 4,
        make: Callable[[Experiment, torch.device], Pipeline] | None = None,
    ) -> None:
        self.experiment = experiment
        self.device = torch.device("cuda", 0)
        prepare(self.device, deterministic=experiment.compute.deterministic)
        if make is None:
            pixels = smooth_noise(experiment, batches * experiment.schedule.batch_size)
            images = MemoryImages(name="noise", split="train", pixels=pixels)
            self.batches: Pipeline = build_batches(images, self.experiment, self.device)
        else:
            self.batches = make(experiment, self.device)
        self.method = move_to_device(build_method(self.experiment), self.device).train()
        self.optimizer = build_optimizer(
            self.method.trainable_parameters(),
            self.experiment.optimizer,
            unscheduled=self.method.unscheduled_parameters(),
        )
        self.autocast = partial(autocast, self.experiment.compute.precision, self.device)
        self.notices: list[str] = []
        self._views = self._endless()
        self._steps = 0

    def close(self) -> None:
        """End the loader."""
        self._views.close()
        self.batches.close()

    def _endless(self) -> Generator[Tensor, None, None]:
        epoch = 0
        while True:
            yield from self.batches.epoch(epoch)
            epoch += 1

    def views(self) -> Tensor:
        """Those of the next batch."""
        return next(self._views)

    def step(self, take_step: Stepper, views: Tensor | None = None) -> Losses:
        """The next step, on these views or on those of the next batch."""
        self._steps += 1
        views = self.views() if views is None else views
        lr = self.experiment.optimizer.lr / 10
        return take_step(views, step_key=(0, self._steps), lr=lr, progress=0.5)

    def eager(self) -> Stepper:
        """Steps as written."""
        return EagerStepper(self.method, self.optimizer, self.autocast)

    def graph(self) -> Stepper:
        """Steps that are recorded and replayed."""
        return stepper(
            "graph",
            self.method,
            self.optimizer,
            self.autocast,
            self.device,
            phase=lambda _: None,
            notify=lambda text, _: self.notices.append(text),
        )
