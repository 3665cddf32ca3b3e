"""The method CW-RGP: options reach the loss, slices and partitions are counted, failures are explained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.methods import CwRgp
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.projector import Projector
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.losses import cw_rgp_loss
from wmse_tui.engine.methods import build_method, cw_rgp
from wmse_tui.engine.random import partitions, permutation

Build = Callable[..., Experiment]


def build(options: CwRgp, experiment: Build, dim: int = 32) -> cw_rgp.CwRgp:
    method = build_method(experiment(options, projector=Projector(layers=2, hidden=24, dim=dim)))
    assert isinstance(method, cw_rgp.CwRgp)
    return method


@pytest.mark.parametrize(
    "options",
    [
        CwRgp(whitening_size=8, groups=2),
        CwRgp(whitening_size=4, groups=2, iterations=3, eps=0.1),
        CwRgp(whitening_size=8, groups=1, normalize=False),
        CwRgp(whitening_size=8, groups=2, partition="fixed"),
        CwRgp(whitening_size=8, groups=8, axis="batch"),
    ],
    ids=str,
)
def test_the_loss_is_that_of_the_embeddings_with_the_counted_choices(
    options: CwRgp, experiment: Build, views: Tensor
) -> None:
    losses = build(options, experiment)(views, step_key=(5, 40))
    orders = torch.stack([permutation(16, seed=5, step=40, purpose=i) for i in range(options.iterations)])
    slices = 16 // options.whitening_size
    drawn = partitions(3 * options.iterations * slices, 32, seed=5, step=40)
    fixed = options.partition == "fixed" or options.groups == 1
    expected = cw_rgp_loss(
        losses.embeddings,
        whitening_size=options.whitening_size,
        groups=options.groups,
        axis=options.axis,
        eps=options.eps,
        normalize=options.normalize,
        permutations=orders,
        partitions=torch.arange(32) if fixed else drawn.view(3, options.iterations, slices, 32),
    )
    assert losses.total.item() == expected.item()


def test_partitions_change_with_seed_step_view_order_and_slice(experiment: Build) -> None:
    method = build(CwRgp(whitening_size=8, groups=2, iterations=2), experiment)
    drawn = [method.partitions((3, 16, 32), key) for key in ((0, 1), (0, 2), (1, 1))]
    assert drawn[0].shape == (3, 2, 2, 32)
    assert len({tuple(row.tolist()) for partition in drawn for row in partition.flatten(0, -2)}) == 36
    assert torch.equal(method.partitions((3, 16, 32), (0, 1)), drawn[0])


def test_a_collapsed_network_stops_at_its_own_step(experiment: Build, views: Tensor) -> None:
    method = build(CwRgp(whitening_size=8, groups=2), experiment)
    with torch.no_grad():
        method.get_parameter("projector.3.weight").zero_()
    with pytest.raises(WhiteningFailed, match="the covariance of a slice has no inverse root"):
        method(views, step_key=(0, 1))


def test_a_failure_of_the_slices_of_a_step_is_explained(experiment: Build, views: Tensor) -> None:
    method = build(CwRgp(whitening_size=8, groups=2), experiment)
    embeddings = method(views, step_key=(0, 1)).embeddings.clone()
    assert method.diagnose(embeddings, step_key=(0, 1)) is None
    first, second = method.permutations(16, (0, 1))[0, 8:10]
    embeddings[0, first] = embeddings[0, second]  # two equal images, in the second slice of step 1
    failure = method.diagnose(embeddings, step_key=(0, 1))
    assert isinstance(failure, WhiteningFailed)
    assert failure.detail.startswith("its 1 smallest eigenvalues are 0 or rounding")
    assert failure.detail.endswith("2 of 12 slices failed")


def test_the_whitening_input_of_a_step_can_be_computed_again(experiment: Build, views: Tensor) -> None:
    method = build(CwRgp(whitening_size=8, groups=2, eps=0.25), experiment)
    embeddings = method(views, step_key=(0, 5)).embeddings
    slices, eps = method.whitening_input(embeddings, step_key=(0, 5))
    assert (slices.shape, eps) == ((3, 1, 2, 2, 16, 8), 0.25)
    order = method.permutations(16, (0, 5))[0]
    channels = method.partitions(embeddings.shape, (0, 5))[2, 0, 1, 16:]
    image = embeddings[2, order[9]]
    torch.testing.assert_close(slices[2, 0, 1, 1, :, 1], image[channels] - image.mean())
