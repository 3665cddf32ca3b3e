"""Properties of every method: seeded weights, gradients for all parameters, float32 heads, the full state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config.methods import (
    BarlowTwins,
    Byol,
    CwRgp,
    Intl,
    S2r2,
    ShuffledDbn,
    SimClr,
    SimSiam,
    VibcReg,
    VicReg,
    WMse,
    ZeroCl,
)
from wmse_tui.config.methods import Method as Options
from wmse_tui.config.names import unions
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.methods import Method, build_method

Build = Callable[..., Experiment]
OPTIONS: list[Any] = [
    WMse(whitening_size=8, iterations=2),
    SimClr(),
    SimClr(output_batch_norm=False),
    Byol(predictor_hidden=12),
    CwRgp(whitening_size=2, groups=1),
    CwRgp(whitening_size=8, groups=2, axis="batch"),
    Intl(axis="batch"),
    ShuffledDbn(groups=2),
    ZeroCl(),
    BarlowTwins(),
    VicReg(),
    VibcReg(),
    SimSiam(predictor_hidden=12),
    S2r2(),
]
LISTED = {options.name for options in OPTIONS}
OPTIONS += [options() for name, options in unions()["method"].classes.items() if name not in LISTED]
METHODS = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: f"{options.name}")
KEY = (0, 1)


def trained(method: Method, views: Tensor, steps: int) -> list[float]:
    """Losses of a few steps."""
    optimizer = torch.optim.Adam(method.trainable_parameters(), lr=1e-3)
    losses = []
    for step in range(1, steps + 1):
        total = method(views, step_key=(0, step)).total
        optimizer.zero_grad()
        torch.autograd.backward(total)
        optimizer.step()
        method.after_step(step / steps)
        losses.append(total.item())
    return losses


@METHODS
def test_a_step_yields_a_scalar_and_the_embeddings(
    options: Options, experiment: Build, views: Tensor
) -> None:
    losses = build_method(experiment(options))(views, step_key=KEY)
    assert losses.total.shape == ()
    assert losses.total.requires_grad
    assert losses.total.isfinite()
    assert losses.embeddings.shape == (3, 16, 4)
    assert not losses.embeddings.requires_grad


@METHODS
def test_training_lowers_the_loss(options: Options, experiment: Build, views: Tensor) -> None:
    losses = trained(build_method(experiment(options)), views, 12)
    assert losses[-1] < losses[0] - 0.1


@METHODS
def test_a_gradient_reaches_every_trainable_parameter(
    options: Options, experiment: Build, views: Tensor
) -> None:
    method = build_method(experiment(options))
    gradients = torch.autograd.grad(method(views, step_key=KEY).total, method.trainable_parameters())
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert sum(not gradient.any() for gradient in gradients) == 0
    assert {id(p) for p in method.encoder.parameters()} <= {id(p) for p in method.trainable_parameters()}


@METHODS
def test_weights_come_from_the_seed_alone(options: Options, experiment: Build) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = build_method(experiment(options, seed=3)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again, other = (build_method(experiment(options, seed=seed)).state_dict() for seed in (3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["projector.0.weight"], other["projector.0.weight"])


@METHODS
def test_the_state_dict_holds_all_that_a_resumed_run_needs(
    options: Options, experiment: Build, views: Tensor
) -> None:
    method = build_method(experiment(options))
    trained(method, views, 2)
    resumed = build_method(experiment(options, seed=9))
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(resumed(views, step_key=KEY).total, method(views, step_key=KEY).total)
    assert trained(resumed, views, 3) == trained(method, views, 3)


@METHODS
def test_under_autocast_the_encoder_runs_in_bfloat16_and_the_heads_in_float32(
    options: Options, experiment: Build, views: Tensor
) -> None:
    method = build_method(experiment(options))
    seen: dict[str, set[torch.dtype]] = {}

    def record(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        return lambda module, inputs, output: seen.setdefault(name, set()).add(output.dtype)

    for name, module in method.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.register_forward_hook(record(name))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = method(views, step_key=KEY)
    heads = {name for name in seen if "encoder" not in name}
    assert heads
    assert all(seen[name] == {torch.float32} for name in heads)
    assert all(seen[name] == {torch.bfloat16} for name in set(seen) - heads)
    assert losses.total.dtype == losses.embeddings.dtype == torch.float32


@METHODS
def test_the_encoder_sees_one_view_at_a_time(options: Options, experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(options))
    reference = copy.deepcopy(method.encoder)
    with torch.no_grad():
        method(views, step_key=KEY)
        for view in views:
            reference(view)
    assert all(
        torch.equal(ours, theirs)
        for ours, theirs in zip(method.encoder.buffers(), reference.buffers(), strict=True)
    )


@pytest.mark.parametrize(
    "options", [WMse(whitening_size=16), SimClr()], ids=lambda options: f"{options.name}"
)
def test_the_projector_sees_all_views_together(options: Options, experiment: Build, views: Tensor) -> None:
    method = build_method(experiment(options))
    encoder, projector = copy.deepcopy(method.encoder), copy.deepcopy(method.projector)
    with torch.no_grad():
        expected = projector(torch.cat([encoder(view) for view in views]))
        embeddings = method(views, step_key=KEY).embeddings
    assert torch.equal(embeddings.flatten(0, 1), expected)
