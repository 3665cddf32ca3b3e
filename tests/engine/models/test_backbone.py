"""Backbones: every architecture of the config, with torchvision's parameters, feature sizes and maps."""

from __future__ import annotations

from typing import Literal, get_args

import pytest
import torch
import torchvision
from torch import nn

from wmse_tui.config.sections.backbone import Architecture
from wmse_tui.config.sections.backbone import Backbone as Options
from wmse_tui.engine.models import build_backbone
from wmse_tui.engine.models.backbone import CIFAR, TORCHVISION

WIDE = 2048
FEATURES = {"resnet18": 512, "resnet34": 512} | dict.fromkeys(CIFAR, 64)


def test_every_architecture_of_the_config_can_be_built_and_no_other() -> None:
    assert set(get_args(Architecture)) == {*TORCHVISION, *CIFAR}


@pytest.mark.parametrize("arch", [*TORCHVISION, *CIFAR])
def test_images_become_averaged_features(arch: str) -> None:
    with torch.device("meta"):  # shapes without numbers: the largest network costs nothing
        network = build_backbone(arch, crop=64)
        features = network(torch.empty(3, 3, 64, 64))
    assert network.feature_dim == FEATURES.get(arch, WIDE)
    assert features.shape == (3, network.feature_dim)
    assert network.training


@pytest.mark.parametrize("arch", TORCHVISION)
def test_with_the_imagenet_stem_only_the_classifier_is_missing(arch: str) -> None:
    with torch.device("meta"):
        ours = build_backbone(arch, "imagenet").state_dict()
        theirs = torchvision.models.get_model(arch, weights=None).state_dict()
    assert {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in theirs.items() if not name.startswith("fc.")
    }


@pytest.mark.parametrize(
    ("stem", "crop", "kernel", "map_size"),
    [("imagenet", 224, 7, 7), ("small", 64, 3, 4), ("cifar", 32, 3, 4)],
)
def test_stems_set_the_first_convolution_and_the_last_maps(
    stem: str, crop: int, kernel: int, map_size: int
) -> None:
    sizes: list[torch.Size] = []
    with torch.device("meta"):
        network = build_backbone("resnet18", stem, crop)
        layer4 = network.get_submodule("layer4")
        layer4.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2:]))
        network(torch.empty(2, 3, crop, crop))
    conv = network.get_submodule("conv1")
    assert isinstance(conv, nn.Conv2d)
    assert conv.kernel_size == (kernel, kernel)
    assert conv.bias is None
    assert sizes == [(map_size, map_size)]


def test_resnet18_for_cifar_has_the_known_number_of_parameters() -> None:
    network = build_backbone("resnet18", "cifar")
    # torchvision's 11,689,512, less the classifier, less 7x7 for 3x3 in the first convolution
    assert sum(p.numel() for p in network.parameters()) == 11_689_512 - 513_000 - 64 * 3 * (49 - 9)


def test_features_are_the_average_of_the_last_maps() -> None:
    torch.manual_seed(0)
    network = build_backbone("resnet18", crop=16).eval()
    maps: list[torch.Tensor] = []
    network.get_submodule("layer4").register_forward_hook(lambda m, i, output: maps.append(output))
    with torch.no_grad():
        features = network(torch.randn(2, 3, 16, 16))
    torch.testing.assert_close(features, maps[0].mean((2, 3)))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown backbone 'vgg16'; there are resnet18, .*cifar_resnet56"):
        build_backbone("vgg16")


def test_a_cifar_resnet_refuses_a_stem() -> None:
    with pytest.raises(ValueError, match="cifar_resnet8 has a stem of its own, not 'imagenet'"):
        build_backbone("cifar_resnet8", "imagenet")


@pytest.mark.parametrize("arch", [*TORCHVISION, *CIFAR])
def test_the_config_knows_the_features_without_building_the_network(arch: Architecture) -> None:
    with torch.device("meta"):
        assert Options(arch=arch).features == build_backbone(arch).feature_dim


@pytest.mark.parametrize("stem", ["auto", "imagenet", "small", "cifar"])
@pytest.mark.parametrize("crop", [17, 32, 96, 130])
def test_the_config_knows_the_maps_of_the_last_switchable_norm(
    crop: int, stem: Literal["auto", "imagenet", "small", "cifar"]
) -> None:
    sizes: list[torch.Size] = []
    with torch.device("meta"):
        network = build_backbone("resnet18", stem, crop)
        last = network.get_submodule("layer3.1.bn1")
        last.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-2:]))
        network(torch.empty(2, 3, crop, crop))
    side = Options(arch="resnet18", stem=stem).smallest_norm_map(crop)
    assert sizes == [(side, side)]
