"""Fine-tuning on a share of the labels: the encoder and a new linear layer, trained together.

The images are those of the low-label protocol (Chen et al. 2020, "SimCLR", appendix B.5): a part of the
training images, with classes in equal parts, in random crops and flips. The budget is this program's: Adam at
1e-3, which falls along a cosine to zero over a number of steps that the caller sets; nothing is chosen. The
running statistics of BatchNorm and whitening layers stay those of the pretraining: batches of one percent of
the labels are too small for others; with them SGD at SimCLR's rate diverged on the embedded set.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.augmentation import Augmentation
from wmse_tui.config.sections.schedule import CosineSchedule
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.data.plan import plan_views
from wmse_tui.engine.data.sources.subsets import choose
from wmse_tui.engine.errors import Diverged
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training.learning_rate import learning_rate
from wmse_tui.runs.state.transfer_results import FineTuned

from .interruption import Progress, no_progress
from .scores import score
from .transfer_measures import FrozenEncoder

BATCH, RATE = 256, 1e-3
SEED = 0


def fine_tune(
    encoder: FrozenEncoder,
    train: ImageSet,
    test: ImageSet,
    *,
    share: float,
    steps: int,
    per_class: bool,
    progress: Progress = no_progress,
) -> FineTuned:
    """Train a copy of the encoder on a share of the training images, and test it once.

    Args:
        encoder: unchanged afterwards.
        train, test: labelled images.
        share: of the training images, in (0, 1]; at least one image of each class.
        steps: of the optimiser.
        per_class: the accuracy is the mean of those of the classes.

    Raises:
        Diverged: the loss is not finite.
        DataError: an image cannot be read.
    """
    assert train.labels is not None
    assert test.labels is not None
    count = min(len(train), max(len(train.labels.unique()), round(share * len(train))))
    rows = choose(len(train), train.labels, count, option="--fine-tune")
    part = train if rows is None else train.take(rows)
    assert part.labels is not None
    network = copy.deepcopy(encoder.network).eval().requires_grad_(True)
    experiment = _experiment(encoder, len(part))
    side, batch_size = experiment.dataset.crop, experiment.schedule.batch_size
    with torch.no_grad():
        dim = network(torch.zeros(1, 3, side, side, device=encoder.device)).shape[1]
    head = torch.nn.Linear(dim, int(train.labels.max()) + 1, device=encoder.device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    adam = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=RATE)
    schedule = CosineSchedule(epochs=1, batch_size=batch_size, warmup_steps=0, final_factor=0)
    for step, (images, labels) in enumerate(_batches(part, experiment, encoder.device, steps), 1):
        for group in adam.param_groups:
            group["lr"] = learning_rate(schedule, RATE, step=step, steps_per_epoch=steps)
        with autocast(encoder.experiment.compute.precision, encoder.device):
            features = network(images)
        loss = cross_entropy(head(features.float()), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
        progress(f"fine-tuning on {share:.4g} of the labels", step, steps, "steps")
    if not bool(loss.isfinite()):
        raise Diverged("fine-tuning diverged", f"the loss is {loss.item()} after {steps} steps")
    features = encoder.features(test, progress, network=network)
    with torch.no_grad():
        predicted = head(features).argmax(1)
    return FineTuned(
        share=share,
        images=len(part),
        steps=steps,
        score=score(predicted, test.labels.to(predicted.device), per_class=per_class),
    )


def _experiment(encoder: FrozenEncoder, images: int) -> Experiment:
    """The run's experiment with one view of random crops and flips, in batches of the labelled images."""
    experiment = encoder.experiment
    sections = {
        "seed": SEED,
        "augmentation": Augmentation(
            brightness=0, contrast=0, saturation=0, hue=0, grayscale_p=0, crop_scale=(0.08, 1.0), flip_p=0.5
        ).model_copy(update={"views": 1}),  # a run needs two
        "schedule": experiment.schedule.model_copy(update={"batch_size": min(BATCH, images)}),
        "dataset": experiment.dataset.model_copy(update={"crop": encoder.geometry.crop}),
        "compute": experiment.compute.model_copy(update={"loader": "auto", "compile": "off"}),
    }
    return experiment.model_copy(update=sections)


def _batches(
    images: ImageSet, experiment: Experiment, device: torch.device, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised views (batch, 3, side, side) and their labels (batch,), on the device, for so many steps."""
    assert images.labels is not None
    source, plan = build_batches(images, experiment, device), plan_views(experiment)
    try:
        done = epoch = 0
        while done < steps:
            rows = plan.batches(len(images), epoch=epoch)
            for views, batch in zip(source.epoch(epoch), rows, strict=True):
                yield views[0], images.labels[batch].to(device)
                done += 1
                if done == steps:
                    return
            epoch += 1
    finally:
        source.close()
