"""Steps and trainings of a group of ranks and of one process, in float64, and how far they differ."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import torch
from torch import Tensor, nn

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.ranks import Group, Ranks
from wmse_tui.engine.methods import Method, build_method
from wmse_tui.engine.models.grouped_batch_norm import averages_of_groups
from wmse_tui.engine.training.learning_rate import learning_rate
from wmse_tui.engine.training.optimizers import build_optimizer
from wmse_tui.engine.training.stepping import EagerStepper

BATCH, SIZE = 24, 8
GRADIENT_BOUND, TRAINING_BOUND = 1e-12, 1e-11
STEPS = 48
COMMON = (
    "seed=7",
    "dataset.train_images=96",
    "dataset.test_images=40",
    "dataset.crop=16",
    "projector.hidden=16",
    f"schedule.batch_size={BATCH}",
    "schedule.epochs=12",
    "schedule.warmup_steps=2",
    "compute.device=cpu",
)
CASES = {
    "w_mse": (),
    "w_mse iterative": ("method.operator=iterative",),
    "w_mse zca": ("method.operator=zca",),
    "w_mse several orders": ("method.iterations=3",),
    "cw_rgp": ("method.name=cw_rgp", "method.whitening_size=8", "method.groups=2", "projector.dim=32"),
    "intl": ("method.name=intl",),
    "shuffled_dbn": ("method.name=shuffled_dbn", "method.groups=2"),
    "zero_cl": ("method.name=zero_cl",),
    "barlow_twins": ("method.name=barlow_twins",),
    "vicreg": ("method.name=vicreg",),
    "vibcreg": ("method.name=vibcreg",),
    "simclr": ("method.name=simclr",),
    "s2r2": ("method.name=s2r2",),
    "byol": ("method.name=byol",),
    "simsiam": ("method.name=simsiam",),
    "encoder iterative": ("backbone.whitening=iterative", "backbone.whitening_groups=8"),
    "encoder cholesky": ("backbone.whitening=cholesky", "backbone.whitening_groups=8"),
    "encoder zca": ("backbone.whitening=zca", "backbone.whitening_groups=8"),
    "views together": ("backbone.views=together",),
    "norm of groups": ("backbone.norm_images=2",),
    "norm of groups, views together": ("backbone.norm_images=2", "backbone.views=together"),
}
State = dict[str, Any]
Result = tuple[float, dict[str, Tensor], dict[str, Tensor]]


def experiment_of(case: str) -> Experiment:
    dim = () if "projector.dim=32" in CASES[case] else ("projector.dim=4",)
    of_w_mse = () if any(o.startswith("method.name") for o in CASES[case]) else ("method.whitening_size=8",)
    return load_experiment(preset="quickstart", overrides=(*COMMON, *dim, *of_w_mse, *CASES[case]))


def method_of(experiment: Experiment) -> Method:
    torch.manual_seed(0)
    return build_method(experiment).double().train()


def images(channels: int = 3) -> Tensor:
    """Two views of a global batch, (2, BATCH, channels, SIZE, SIZE): no two ranks have the same."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, BATCH, channels, SIZE, SIZE, dtype=torch.float64, generator=generator)


def step(method: Method, ranks: Ranks, seed: int = 3) -> Result:
    """Loss, gradients and buffers of a step on this rank's part of `images`."""
    with ranks.shared_step():
        losses = method(images().chunk(ranks.world, 1)[ranks.rank], step_key=(seed, 1))
        losses.total.backward()
    ranks.mean_gradients(method.trainable_parameters(), averages_of_groups(method))
    return losses.total.item(), gradients_of(method), dict(method.named_buffers())


def step_of_rank(group: Group, experiment: Experiment) -> Result:
    method = method_of(experiment)
    share_batch_norms(method)
    return step(method, group)


def train(ranks: Ranks, experiment: Experiment, first: int, last: int, state: State | None = None) -> State:
    """The steps after `first` to `last` of a training, from the state that it had before; the state after."""
    method = method_of(experiment)
    if ranks.world > 1:
        share_batch_norms(method)
    optimizer = build_optimizer(
        method.trainable_parameters(),
        experiment.optimizer,
        unscheduled=method.unscheduled_parameters(),
    )
    if state is not None:
        method.load_state_dict(state["method"])
        optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
    take_step = EagerStepper(method, optimizer, lambda: torch.autocast("cpu", enabled=False), ranks=ranks)
    data = load_data(experiment, progress=lambda *_: None)
    cpu = torch.device("cpu")
    with contextlib.closing(
        build_batches(data.train, experiment, cpu, rank=ranks.rank, world=ranks.world)
    ) as batches:
        per_epoch = batches.steps_per_epoch
        for number in range(first + 1, last + 1):
            epoch, batch = divmod(number - 1, per_epoch)
            views = next(iter(batches.epoch(epoch, batch))).double()
            lr = learning_rate(
                experiment.schedule, experiment.optimizer.lr, step=number, steps_per_epoch=per_epoch
            )
            take_step(views, step_key=(experiment.seed, number), lr=lr, progress=number / STEPS)
    return copy.deepcopy({"method": method.state_dict(), "optimizer": optimizer.state_dict()})


def gradients_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def difference(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The distance of all tensors together, relative to the length of the expected ones."""
    assert list(found) == list(expected)
    if not expected:
        return 0.0
    one, other = (torch.cat([t.double().flatten() for t in each.values()]) for each in (found, expected))
    return float((one - other).norm() / other.norm())
