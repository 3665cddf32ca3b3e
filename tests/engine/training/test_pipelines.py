"""The two pipelines train the same: from one seed, the views of a batch differ by rounding alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from events import read_log

from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Attempt, Evaluation, Steps

MakeRun = Callable[..., RunDirectory]

LARGER = (  # slices large enough that rounding of the views is not what their covariance is made of
    "dataset.train_images=256",
    "schedule.batch_size=64",
    "method.whitening_size=64",
    "schedule.epochs=4",
    "optimizer.lr=1e-4",
)
COLOURS = (
    "augmentation.saturation=0.4",
    "augmentation.hue=0.1",
    "augmentation.grayscale_p=0.2",
    "augmentation.blur_p=0.5",
)


def trained(run: RunDirectory, kind: str) -> tuple[torch.Tensor, float]:
    """The loss of each step, and the last 5-NN accuracy."""
    assert run_session(run.path) == 0
    events = [record.event for record in read_log(run.events)]
    assert [event.loader for event in events if isinstance(event, Attempt)] == [kind]
    losses = [loss for event in events if isinstance(event, Steps) for loss in event.loss]
    found = [event.knn.top1 for event in events if isinstance(event, Evaluation) and event.knn]
    return torch.tensor(losses), found[-1]


@pytest.mark.parametrize("colours", [(), COLOURS], ids=["quickstart", "all operations"])
def test_a_short_training_by_either_pipeline_has_the_same_losses(
    make_run: MakeRun, colours: tuple[str, ...]
) -> None:
    """Within 5 % of each step's loss and 1.5 % on average, where the losses themselves move by a fifth.

    Pillow rounds to 8 bits after each operation. What that does to the weights grows from step to step, the
    faster the larger the steps are, so they are small here.
    """
    batched, knn = trained(make_run(*LARGER, *colours, "compute.loader=batched", name="batched"), "batched")
    workers, other = trained(
        make_run(*LARGER, *colours, "compute.loader=workers", "compute.workers=1", name="workers"), "workers"
    )
    assert len(batched) == len(workers) == 16
    torch.testing.assert_close(batched, workers, rtol=0.05, atol=0)
    assert float((batched / workers - 1).abs().mean()) < 0.015
    assert knn == pytest.approx(other, abs=0.15)  # of 40 test images
