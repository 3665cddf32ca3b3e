"""Several calls of one network with shared weights: to the bit what the calls one by one are."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.engine.methods import move_to_device
from wmse_tui.engine.models import build_backbone, shared_weights
from wmse_tui.engine.models.backbone import LastWhitening, SwitchableNorm
from wmse_tui.engine.models.joint_calls import JointlyCalled
from wmse_tui.engine.models.shared_weights import call_each, call_jointly, call_with_shared_weights

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
SW2 = SwitchableNorm(kind="sw2", width=16, steps=5, tied=False, momentum=0.01)
ITERATIVE = LastWhitening(operator="iterative", eps=1e-3, groups=8, steps=5, momentum=0.1)
NETWORKS: dict[str, dict[str, Any]] = {
    "cifar_resnet8": {"arch": "cifar_resnet8"},
    "resnet18": {"arch": "resnet18"},
    "switchable": {"arch": "resnet18", "norm": SW2},
    "whitened": {"arch": "cifar_resnet8", "whitening": ITERATIVE},
}


class Operations(TorchDispatchMode):
    """How often each operation runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[func.name().removeprefix("aten::")] += 1
        return func(*args, **(kwargs or {}))


def network(name: str = "cifar_resnet8") -> nn.Module:
    torch.manual_seed(0)
    return move_to_device(build_backbone(**NETWORKS[name]), CPU)


def images(views: int, batch: int = 12) -> Tensor:
    return torch.randn(views, batch, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def precision(bfloat16: bool) -> AbstractContextManager[None]:
    return torch.autocast("cpu", dtype=torch.bfloat16) if bfloat16 else nullcontext()


def state_after(encoder: nn.Module, features: Tensor) -> list[Tensor]:
    """Features, gradients and buffers, when a loss that weighs the views differently was differentiated."""
    weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(2))
    (features.float() * weights).sum().backward()
    gradients = [parameter.grad for parameter in encoder.parameters()]
    return [features, *(one for one in gradients if one is not None), *encoder.buffers()]


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("views", [1, 2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_features_gradients_and_statistics_are_those_of_single_calls(
    name: str, views: int, bfloat16: bool
) -> None:
    outcomes = []
    for shared in (False, True):
        encoder = network(name)
        with precision(bfloat16):
            if shared:
                features = call_with_shared_weights(encoder, images(views))
            else:
                features = torch.stack([encoder(view) for view in images(views)])
        outcomes.append(state_after(encoder, features))
    for expected, found in zip(*outcomes, strict=True):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


def test_all_weights_are_cast_at_once_and_all_gradients_added_at_once() -> None:
    encoder = network()
    convolutions = sum(isinstance(module, nn.Conv2d) for module in encoder.modules())
    with precision(True), Operations() as forward:
        features = call_with_shared_weights(encoder, images(2))
    with Operations() as backward:
        features.float().sum().backward()
    assert forward.names["_foreach_copy_"] == 1
    assert forward.names["_to_copy"] == 1  # of the views
    assert forward.names["convolution"] == 2 * convolutions
    assert backward.names["_foreach_add.List"] == 2  # of the convolutions', and of all others
    assert backward.names["_foreach_copy_"] == 1


def test_frozen_and_unused_weights_have_no_gradient() -> None:
    encoder = network()
    encoder.register_parameter("unused", nn.Parameter(torch.ones(3)))
    frozen = encoder.get_parameter("stem.0.weight").requires_grad_(False)
    call_with_shared_weights(encoder, images(2)).sum().backward()
    without = {name for name, parameter in encoder.named_parameters() if parameter.grad is None}
    assert without == {"unused", "stem.0.weight"}
    assert frozen is encoder.get_parameter("stem.0.weight")


def test_without_gradients_it_calls_the_network_alone() -> None:
    encoder = network().requires_grad_(False)
    with torch.no_grad():
        found = call_with_shared_weights(encoder, images(2))
        expected = torch.stack([network()(view) for view in images(2)])
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("name", "device", "compiled", "used"),
    [
        ("cifar_resnet8", CPU, False, []),
        ("cifar_resnet8", GPU, False, ["call_with_shared_weights"]),
        ("cifar_resnet8", GPU, True, []),
        ("switchable", CPU, False, []),
        ("switchable", GPU, False, ["call_jointly"]),
        ("switchable", GPU, True, []),
    ],
)
def test_weights_are_shared_on_a_gpu_unless_the_network_is_compiled(
    name: str, device: torch.device, compiled: bool, used: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    for way in (call_with_shared_weights, call_jointly):

        def noted(network: nn.Module, views: Tensor, way: Any = way) -> Any:
            found.append(way.__name__)
            return way(network, views)

        monkeypatch.setattr(shared_weights, way.__name__, noted)
    with torch.device("meta"):
        encoder = build_backbone(**NETWORKS[name])
    if compiled:
        encoder.compile(backend="eager", disable=True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        encoder.to_empty(device=device)
        views = torch.empty(2, 12, 3, 16, 16, device=device)
        features = call_each(encoder, views)
    assert features.shape == (2, 12, encoder.feature_dim)
    assert found == used


@pytest.mark.parametrize(
    ("kind", "views", "whitening"),
    [("sw2", 1, None), ("sw2", 2, None), ("sw3", 3, ITERATIVE), ("sw5", 2, ITERATIVE)],
)
def test_one_call_for_all_views_is_one_call_for_each(
    kind: str, views: int, whitening: LastWhitening | None
) -> None:
    """In float64: the sums of a convolution over one view and over all run in another order."""
    norm = replace(SW2, kind=kind, width=8)
    outcomes = []
    for joint in (False, True):
        torch.manual_seed(0)
        encoder = move_to_device(build_backbone("resnet18", norm=norm, whitening=whitening), CPU).double()
        seen = images(views, 6).double()
        features = call_jointly(encoder, seen) if joint else torch.stack([encoder(view) for view in seen])
        weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(2)).double()
        (features * weights).sum().backward()
        gradients = [parameter.grad for parameter in encoder.parameters()]
        assert all(gradient is not None for gradient in gradients)
        outcomes.append([features, *gradients, *encoder.buffers()])
        assert all(layer.calls == 1 for layer in encoder.modules() if isinstance(layer, JointlyCalled))
    for expected, found in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_one_call_for_all_views_under_autocast_differs_by_its_rounding() -> None:
    outcomes = []
    for way in (call_with_shared_weights, call_jointly):
        encoder = network("switchable")
        with precision(True):
            features = way(encoder, images(2))
        features.float().square().sum().backward()
        outcomes.append((features.float(), encoder.get_parameter("layer3.1.bn1.covariance_logits").grad))
        assert int(encoder.get_buffer("layer3.1.bn1.num_batches_tracked")) == 2
    torch.testing.assert_close(outcomes[1], outcomes[0], rtol=0.1, atol=0.05)


def test_a_joint_call_in_evaluation_is_a_call_of_all_images() -> None:
    encoder = network("switchable").eval()
    with torch.no_grad():
        found, expected = call_jointly(encoder, images(2)), encoder(images(2).flatten(0, 1))
    torch.testing.assert_close(found.flatten(0, 1), expected)
