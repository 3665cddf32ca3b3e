"""The method Shuffled-DBN: options reach the loss, shuffles are counted, failures are explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import ShuffledDbn
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import shuffled_dbn_loss
from wmse_tui.engine.methods import build_method, shuffled_dbn
from wmse_tui.engine.random import partitions

Build = Callable[..., Experiment]


def build(options: ShuffledDbn, experiment: Build) -> shuffled_dbn.ShuffledDbn:
    method = build_method(experiment(options))
    assert isinstance(method, shuffled_dbn.ShuffledDbn)
    return method


@pytest.mark.parametrize(
    "options",
    [ShuffledDbn(), ShuffledDbn(groups=2), ShuffledDbn(groups=2, partition="fixed"), ShuffledDbn(eps=0.1)],
    ids=str,
)
def test_the_loss_is_that_of_the_embeddings_in_the_counted_shuffle(
    options: ShuffledDbn, experiment: Build, views: Tensor
) -> None:
    losses = build(options, experiment)(views, step_key=(5, 40))
    drawn = torch.arange(4) if options.partition == "fixed" else partitions(3, 4, seed=5, step=40)
    expected = shuffled_dbn_loss(losses.embeddings, groups=options.groups, eps=options.eps, partitions=drawn)
    assert losses.total.item() == expected.item()


def test_shuffles_change_with_seed_step_and_view(experiment: Build) -> None:
    method = build(ShuffledDbn(), experiment)
    drawn = [method.partitions((3, 16, 40), key) for key in ((0, 1), (0, 2), (1, 1))]
    assert len({tuple(row.tolist()) for rows in drawn for row in rows}) == 9
    assert torch.equal(method.partitions((3, 16, 40), (0, 1)), drawn[0])


def test_a_failure_is_explained_and_the_whitening_input_can_be_computed_again(
    experiment: Build, views: Tensor
) -> None:
    method = build(ShuffledDbn(groups=2), experiment)
    embeddings = method(views, step_key=(0, 1)).embeddings.clone()
    assert method.diagnose(embeddings, step_key=(0, 1)) is None
    slices, eps = method.whitening_input(embeddings, step_key=(0, 1))
    assert (slices.shape, eps) == ((3, 2, 16, 2), 0.0)
    channels = method.partitions(embeddings.shape, (0, 1))[1]
    assert torch.equal(slices[1, 1], embeddings[1][:, channels[2:]])
    embeddings[1, :, channels[3]] = 0.5
    failure = method.diagnose(embeddings, step_key=(0, 1))
    assert isinstance(failure, WhiteningFailed)
    assert failure.detail.endswith("1 of them constant; 1 of 6 slices failed")
