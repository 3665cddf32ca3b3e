"""A step that is simulated without values has the operations and the memory of the real one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.names import unions
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.profiling.dry_run import DryRun, dry_run, simulate_step

Tiny = Callable[..., Experiment]


def nothing() -> None:
    pass


def backbone(arch: str, crop: int, *more: str) -> DryRun:
    sizes = (f"dataset.crop={crop}", f"dataset.eval_resize={crop}", "schedule.batch_size=128")
    return simulate_step(load_experiment(overrides=(f"backbone.arch={arch}", *sizes, *more)), check=nothing)


@pytest.mark.parametrize(
    ("arch", "crop", "gmac", "classifier"),
    [
        # the pages of torchvision's models: 1.81 and 4.09 billion multiply-adds, to two decimals
        ("resnet18", 224, 1.81, 512 * 1000),
        ("resnet50", 224, 4.09, 2048 * 1000),
        # the network of He et al. (2015), §4.2, by its layers: 0.041 billion
        ("cifar_resnet20", 32, 0.041, 64 * 10),
    ],
)
def test_operations_are_the_published_ones(arch: str, crop: int, gmac: float, classifier: int) -> None:
    found = backbone(arch, crop).encoder_flops / 2 + classifier
    assert found / 1e9 == pytest.approx(gmac, abs=0.005)


def test_operations_are_those_counted_by_hand() -> None:
    found = backbone("cifar_resnet8", 16, "projector.layers=2", "projector.hidden=10", "projector.dim=6")
    nine = 3 * 3
    stem = 16 * 16 * nine * 3 * 16
    first = 2 * 16 * 16 * nine * 16 * 16
    second = 8 * 8 * nine * (16 * 32 + 32 * 32)
    third = 4 * 4 * nine * (32 * 64 + 64 * 64)
    assert found.encoder_flops == 2 * (stem + first + second + third)
    assert found.head_flops == 2 * (64 * 10 + 10 * 6)
    convolutions = nine * (3 * 16 + 2 * 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    assert found.encoder_parameters == convolutions + 2 * (3 * 16 + 2 * 32 + 2 * 64)
    assert found.head_parameters == 64 * 10 + 10 + 2 * 10 + 10 * 6 + 6
    assert found.feature_dim == 64


@pytest.mark.parametrize(
    ("arch", "method"),
    [
        ("resnet18", "byol"),  # the smaller networks cover the differences between methods
        *(("cifar_resnet8", method) for method in unions()["method"].classes if method != "cw_rgp"),
    ],
)
def test_parameters_are_those_of_the_built_method(arch: str, method: str, tiny: Tiny) -> None:
    experiment = tiny(f"method.name={method}", f"backbone.arch={arch}", "projector.layers=3")
    found, built = simulate_step(experiment, check=nothing), build_method(experiment)
    assert found.encoder_parameters == sum(p.numel() for p in built.encoder.parameters())
    total = found.encoder_parameters + found.head_parameters + found.target_parameters
    assert total == sum(p.numel() for p in built.parameters())
    assert (found.target_parameters > 0) == (method == "byol")
    trained = found.encoder_parameters + found.head_parameters
    assert trained == sum(p.numel() for p in built.trainable_parameters())
    assert found.gradients == 4 * trained
    assert found.weights == sum(t.nbytes for t in (*built.parameters(), *built.buffers()))


@pytest.mark.parametrize("overrides", [(), ("method.name=byol",), ("compute.precision=bfloat16",)])
def test_the_step_holds_what_autograd_saves_in_a_real_one(overrides: tuple[str, ...], tiny: Tiny) -> None:
    experiment = tiny("schedule.batch_size=64", *overrides)
    method = build_method(experiment)
    views = torch.randn(2, 64, 3, 16, 16)
    known = {t.untyped_storage().data_ptr() for t in (*method.parameters(), *method.buffers(), views)}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    bfloat16 = experiment.compute.precision == "bfloat16"
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16),
    ):
        losses = method(views, step_key=(7, 1))
    assert losses.total.isfinite()
    found = simulate_step(experiment, check=nothing)
    assert found.views == views.nbytes
    # the backward pass makes the gradients of one layer before it frees the first of these
    assert 1.0 <= found.activations / sum(saved.values()) < 1.35


def test_memory_and_operations_grow_with_the_batch_and_the_views(tiny: Tiny) -> None:
    small, large, many = (
        simulate_step(tiny(f"schedule.batch_size={batch}", f"augmentation.views={views}"), check=nothing)
        for batch, views in ((32, 2), (64, 2), (32, 4))
    )
    for more in (large, many):
        assert more.views == 2 * small.views
        assert more.activations == pytest.approx(2 * small.activations, rel=0.1)
        assert more.step_flops == pytest.approx(2 * small.step_flops, rel=0.01)
        assert more.encoder_flops == small.encoder_flops
    assert 2.5 < small.step_flops / (64 * (small.encoder_flops + small.head_flops)) < 3.1


def test_a_batch_that_no_machine_holds_costs_nothing() -> None:
    found = backbone("resnet18", 224, "schedule.batch_size=49920")
    assert found.activations > 2 * 10**12


def test_each_rank_holds_the_loss_of_the_whole_batch(tiny: Tiny) -> None:
    """No number of ranks divides VICReg's covariances: of two views four matrices each, at the peak."""
    vicreg = tiny("method.name=vicreg", "projector.dim=8192", "compute.devices=16")
    assert simulate_step(vicreg, check=nothing, ranks=16).activations // (4 * 8192**2) == 8


@pytest.mark.parametrize("after", [1, 3, 20])  # of fourteen convolutions forward, and as many backward
def test_it_can_be_cancelled(after: int, tiny: Tiny) -> None:
    calls = 0

    def enough() -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        simulate_step(tiny(), check=enough)
    assert calls == after


def test_an_irrelevant_change_is_not_simulated_again(tiny: Tiny) -> None:
    first = dry_run(tiny("optimizer.lr=1e-3"), check=nothing)
    assert dry_run(tiny("optimizer.lr=1e-2", "title=another"), check=nothing) is first
    assert dry_run(tiny("projector.dim=5"), check=nothing) is not first
    assert dry_run(tiny(), check=nothing, ranks=2) is not first


@pytest.mark.parametrize(
    "layers",
    [
        ("backbone.whitening=iterative", "method.name=byol"),
        ("backbone.whitening=cholesky", "backbone.whitening_groups=8"),
        ("backbone.arch=resnet18", "backbone.norm=sw5", "backbone.norm_width=8"),
    ],
)
def test_layers_of_the_encoder_are_simulated_too(layers: tuple[str, ...], tiny: Tiny) -> None:
    experiment = tiny(*layers)
    found, built = simulate_step(experiment, check=nothing), build_method(experiment)
    assert found.weights == sum(t.nbytes for t in (*built.parameters(), *built.buffers()))
    assert found.encoder_parameters == sum(p.numel() for p in built.encoder.parameters())
    plain = [o for o in layers if "whitening" not in o and "norm" not in o]
    assert found.activations > simulate_step(tiny(*plain), check=nothing).activations
