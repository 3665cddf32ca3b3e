"""Loss, gradient and running statistics of several ranks are those of one process, in float64.

Each rank has other images. Losses that agree prove nothing (a gather without a backward has the right loss),
so gradients are compared; what one could write by mistake is shown to fail the comparison.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from forked_ranks import ForkedRanks
from rank_steps import (
    CASES,
    GRADIENT_BOUND,
    Result,
    difference,
    experiment_of,
    gradients_of,
    images,
    method_of,
    step,
    step_of_rank,
)
from torch import Tensor, nn

from wmse_tui.config import methods
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.distribution import gather as gathering
from wmse_tui.engine.distribution.gather import Gather
from wmse_tui.engine.distribution.global_batch_norm import share_batch_norms
from wmse_tui.engine.distribution.ranks import ALONE, Group, Ranks
from wmse_tui.engine.models.switchable_whitening import STATISTICS, SwitchableWhitening


def test_every_method_is_here() -> None:
    named = {name.split()[0] for name in CASES} - {"encoder", "views", "norm"}
    files = {path.stem for path in Path(methods.__file__).parent.glob("*.py")}
    assert named == files - {"__init__", "slices"}


@cache
def alone(case: str) -> Result:
    """The step of one process."""
    return step(method_of(experiment_of(case)), ALONE)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_one_process(case: str, ranks: ForkedRanks) -> None:
    loss, gradients, buffers = alone(case)
    shared_loss, shared_gradients, shared_buffers = ranks.run(step_of_rank, experiment_of(case))
    assert shared_loss == pytest.approx(loss, rel=GRADIENT_BOUND)
    assert difference(shared_gradients, gradients) < GRADIENT_BOUND
    assert difference(shared_buffers, buffers) < GRADIENT_BOUND


def switchable(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Conv2d(8, 8, 3), SwitchableWhitening(8, kind, width=4)) for _ in range(2)]
    return nn.Sequential(*layers).double().train()


def step_of_layers(ranks: Ranks, kind: str) -> Result:
    """A step of a loss that is no mean over images."""
    network, x = switchable(kind), images(channels=8).flatten(0, 1)
    with ranks.shared_step():
        y = gathering.gather(network(x.chunk(ranks.world)[ranks.rank]), 0)
        loss = (y.mean(0) * y.square().sum(0)).tanh().sum()
        loss.backward()
    ranks.mean_gradients(network.parameters())
    return loss.item(), gradients_of(network), dict(network.named_buffers())


@pytest.mark.parametrize("kind", STATISTICS)
def test_gradients_of_switchable_whitening_are_those_of_one_process(kind: str, ranks: ForkedRanks) -> None:
    loss, gradients, buffers = step_of_layers(ALONE, kind)
    shared_loss, shared_gradients, shared_buffers = ranks.run(step_of_layers, kind)
    assert shared_loss == pytest.approx(loss, rel=GRADIENT_BOUND)
    assert difference(shared_gradients, gradients) < GRADIENT_BOUND
    assert difference(shared_buffers, buffers) < GRADIENT_BOUND


@contextlib.contextmanager
def replaced(name: str, value: Any) -> Iterator[None]:
    """Another gather, also in the forked ranks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gather, name, staticmethod(value))
        yield


def own_part_only(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return gradient.narrow(ctx.dim, dist.get_rank() * ctx.size, ctx.size), None


def own_part_times_world(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    part, _ = own_part_only(ctx, gradient)
    return part * dist.get_world_size(), None


def plain_all_gather(x: Tensor, dim: int) -> Tensor:
    """The tensors of the others have no gradient; the own one is put back."""
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.detach().contiguous())
    parts[dist.get_rank()] = x
    return torch.cat(parts, dim)


right_gather = Gather.apply


def no_gather_of_embeddings(x: Tensor, dim: int) -> Tensor:
    """As one would train without knowing that the loss is of the whole batch."""
    return x if dim == 1 else right_gather(x, dim)


WRONG: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "own slice": lambda: replaced("backward", own_part_only),
    "own slice times world": lambda: replaced("backward", own_part_times_world),
    "plain all_gather": lambda: replaced("apply", plain_all_gather),
    "no gather": lambda: replaced("apply", no_gather_of_embeddings),
    "statistics per rank": contextlib.nullcontext,
    "seeds per rank": contextlib.nullcontext,
}


def step_of_mistaken_rank(group: Group, experiment: Experiment, wrong: str) -> Result:
    method = method_of(experiment)
    with WRONG[wrong]():
        if wrong != "statistics per rank":
            share_batch_norms(method)
        return step(method, group, seed=3 + group.rank if wrong == "seeds per rank" else 3)


@pytest.mark.parametrize("ranks", [2], indirect=True)
@pytest.mark.parametrize(
    ("wrong", "case"),
    [
        ("own slice", "w_mse"),
        ("own slice times world", "encoder iterative"),
        ("plain all_gather", "w_mse"),
        ("no gather", "simclr"),
        ("statistics per rank", "w_mse"),
        ("seeds per rank", "w_mse"),
    ],
)
def test_what_one_could_write_by_mistake_is_found(wrong: str, case: str, ranks: ForkedRanks) -> None:
    _, gradients, _ = alone(case)
    _, shared_gradients, _ = ranks.run(step_of_mistaken_rank, experiment_of(case), wrong)
    assert difference(shared_gradients, gradients) > 0.05
