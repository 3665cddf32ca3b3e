"""Few-shot accuracy: a linear probe of a few training images a class, over several draws.

After Tian et al. (2020, "Rethinking few-shot image classification"): features of length one, and logistic
regression with C = 1, which needs no validation images. All classes, and all test images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wmse_tui.runs.state.transfer_results import FewShot

from .interruption import Progress, no_progress
from .linear import fit_lbfgs
from .scores import accuracy, mean_score

SHOTS = (1, 5, 10)
DRAWS = 10


def few_shot(
    x: Tensor,
    y: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    *,
    per_class: bool,
    shots: Sequence[int] = SHOTS,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = no_progress,
) -> tuple[FewShot, ...]:
    """The mean accuracy over the draws for each number of images a class, with its interval.

    A number that a class does not have is left out. The draws depend on the training labels and the seed
    alone, so that encoders are compared on the same images.

    Args:
        x, y: training features (images, dim) and labels (images,).
        x_test, y_test: of the test.
        per_class: the accuracy is the mean of those of the classes.
    """
    x, x_test = (torch.nn.functional.normalize(part, dim=1) for part in (x, x_test))
    fewest = int(torch.bincount(y)[y.unique()].min())
    possible = [each for each in shots if each <= fewest]
    random = torch.Generator().manual_seed(seed)
    found = []
    for index, count in enumerate(possible):
        values = []
        for draw in range(draws):
            rows = draw_images(y, count, random).to(x.device)
            # "C = 1" weighs the sum of the losses of the images: 1 / images beside their mean
            classifier = fit_lbfgs(x[rows], y[rows], l2=1 / len(rows))
            values.append(accuracy(classifier.logits(x_test).argmax(1), y_test, per_class=per_class))
            progress("few images a class", index * draws + draw + 1, len(possible) * draws, "draws")
        found.append(FewShot(shots=count, draws=draws, score=mean_score(values)))
    return tuple(found)


def draw_images(y: Tensor, count: int, random: torch.Generator) -> Tensor:
    """The numbers of `count` images of each class among the labels `y`, int64, on the CPU."""
    labels = y.cpu()
    parts = []
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero()[:, 0]
        parts.append(rows[torch.randperm(len(rows), generator=random)[:count]])
    return torch.cat(parts)
