"""Every format times every kind of encoder: loaded by the library that it is for, and equal; or refused."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from wmse_tui.config.sections.backbone import Backbone
from wmse_tui.engine.errors import ExportError
from wmse_tui.engine.export.check import check_features, reference, run_recipe
from wmse_tui.engine.export.recipes import RECIPES
from wmse_tui.engine.export.trained_encoder import TrainedEncoder
from wmse_tui.engine.export.writers import WRITERS
from wmse_tui.engine.models.encoder import build_encoder

KINDS: dict[str, tuple[dict[str, Any], int]] = {
    "imagenet stem": ({"arch": "resnet18"}, 128),
    "small stem": ({"arch": "resnet18"}, 64),
    "cifar stem": ({"arch": "resnet18"}, 32),
    "whitening in groups": (
        {"arch": "resnet18", "stem": "imagenet", "whitening": "zca", "whitening_groups": 4},
        32,
    ),
    "switchable": ({"arch": "resnet18", "norm": "sw3"}, 32),
    "cifar resnet": ({"arch": "cifar_resnet8"}, 32),
    "cifar resnet, whitening": ({"arch": "cifar_resnet8", "whitening": "iterative"}, 32),
    "bottleneck": ({"arch": "resnet50", "stem": "imagenet"}, 32),
}
FOREIGN = {"imagenet stem", "small stem", "cifar stem", "whitening in groups", "bottleneck"}
GRAPHS = sorted(KINDS.keys() - {"imagenet stem", "cifar resnet"})
"""The layers of the two are also those of "whitening in groups" and of "cifar resnet, whitening"."""
BLOCKS = {
    "resnet18": {"layer1": 1, "layer2": 1, "layer3": 0, "layer4": 0},
    "resnet50": {"layer1": 2, "layer2": 1, "layer3": 0, "layer4": 0},
}
"""As many of each stage's blocks as show each kind: with the shortcut as it is, and with a convolution.

A layer of whitening at the end has the width of the last stage, so there no stage is left out.
"""
TIMM = {"imagenet stem", "whitening in groups", "bottleneck"}


@functools.cache
def trained_network(kind: str, shallow: bool) -> nn.Module:
    """A network of the kind after two training batches, so that no statistic is that of a fresh one."""
    options, crop = KINDS[kind]
    backbone = Backbone.model_validate(options)
    torch.manual_seed(0)
    network = build_encoder(backbone, crop)
    for stage, blocks in BLOCKS.get(backbone.arch, {}).items() if shallow else ():
        number = blocks if backbone.whitening == "none" else max(blocks, 1)
        network.set_submodule(stage, nn.Sequential(*list(network.get_submodule(stage).children())[:number]))
    with torch.no_grad():
        for _ in range(2):
            network(torch.randn(150 if backbone.whitening == "zca" else 24, 3, 32, 32))
    return network.eval()


def trained_encoder(kind: str, *, shallow: bool = False) -> TrainedEncoder:
    """An encoder of the kind, which the test may change.

    Where it is shallow, its stages are those of `BLOCKS`: the cost of a graph is that of its blocks.
    """
    options, crop = KINDS[kind]
    return TrainedEncoder(
        network=copy.deepcopy(trained_network(kind, shallow)),
        options=Backbone.model_validate(options),
        crop=crop,
        size=32,
        resize=40,
        mean=(0.48, 0.45, 0.4),
        std=(0.25, 0.2, 0.3),
        facts={
            "run": "a-run",
            "checkpoint": "final.pt",
            "sha256": "0" * 64,
            "method": "w_mse",
            "dataset": "patterns",
            "epoch": 3,
            "step": 1234,
            "accuracies": {
                "knn": {"top1": 0.5, "k": 5, "metric": "euclidean"},
                "linear": {"top1": 0.625, "top5": 0.9, "solver": "lbfgs"},
                "train_split": "train (5,000)",
                "test_split": "test (1,000)",
            },
            "license": None,
        },
    )


def write(trained: TrainedEncoder, file_format: str, path: Path) -> Path:
    recipe = RECIPES[file_format](trained, path.name)
    WRITERS[file_format](trained, path, {**trained.facts, "recipe": recipe})
    return path


def features_of(network: nn.Module, trained: TrainedEncoder, images: Tensor) -> Tensor:
    """What a user of the weights computes."""
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (trained.mean, trained.std))
    with torch.no_grad():
        features: Tensor = network.eval()((images - mean) / std)
    return features


def torchvision_network(kind: str) -> nn.Module:
    """Torchvision's network for the kind, written as its documentation would have it."""
    arch = "resnet50" if kind == "bottleneck" else "resnet18"
    network: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=512)
    if kind != "whitening in groups":
        network.fc = nn.Identity()
    if kind in ("small stem", "cifar stem"):
        network.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    if kind == "cifar stem":
        network.maxpool = nn.Identity()
    return network


def assert_equal(got: Any, wanted: Tensor, tolerance: float) -> None:
    array = np.asarray(got)
    assert array.shape == wanted.shape
    assert np.abs(array - wanted.numpy()).max() <= tolerance * wanted.abs().max().item()


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_torchvision_loads_the_weights_strictly(kind: str, tmp_path: Path) -> None:
    trained = trained_encoder(kind)
    trained.network.to(memory_format=torch.channels_last)  # which safetensors would refuse
    images, wanted = reference(trained)
    weights = torch.load(write(trained, "torchvision", tmp_path / "x.pth"), weights_only=True)
    network = torchvision_network(kind)
    network.load_state_dict(weights, strict=True)
    assert_equal(features_of(network, trained, images), wanted, 1e-5)
    assert all(value.is_contiguous() for value in weights.values())
    from_file = load_file(write(trained, "safetensors", tmp_path / "x.safetensors"))
    assert from_file.keys() == weights.keys()
    assert all(torch.equal(from_file[name], weights[name]) for name in weights)


@pytest.mark.parametrize("kind", sorted(TIMM))
def test_timm_loads_the_folder(kind: str, tmp_path: Path) -> None:
    import timm  # slow to import: not in every test process

    trained = trained_encoder(kind)
    images, wanted = reference(trained)
    folder = write(trained, "hf", tmp_path / "folder")
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    assert_equal(features_of(network, trained, images), wanted, 1e-5)
    settings: Any = network.pretrained_cfg
    assert tuple(settings["mean"]) == trained.mean
    assert tuple(settings["std"]) == trained.std
    assert tuple(settings["input_size"]) == (3, 32, 32)
    assert settings["crop_pct"] == 0.8
    card = (folder / "README.md").read_text()
    assert "license" not in card
    assert "62.50%" in card
    assert "value: 0.625" in card
    assert "timm.create_model('local-dir:' + 'folder', pretrained=True)" in card


@pytest.mark.parametrize("kind", GRAPHS)
def test_graphs_give_the_features_for_any_batch(kind: str, tmp_path: Path) -> None:
    import onnx  # slow to import: not in every test process
    import onnxruntime

    trained = trained_encoder(kind, shallow=True)
    images, wanted = reference(trained)
    path = write(trained, "onnx", tmp_path / "x.onnx")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert_equal(session.run(None, {"images": images.numpy()})[0], wanted, 1e-4)
    assert_equal(session.run(None, {"images": images[:1].numpy()})[0], wanted[:1], 1e-4)
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert properties["run"] == "a-run"
    assert json.loads(properties["step"]) == 1234
    program = torch.export.load(write(trained, "torch-export", tmp_path / "x.pt2"))
    assert_equal(program.module()(images).detach(), wanted, 1e-5)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - FOREIGN))
def test_our_own_layout_is_loaded_by_its_recipe(kind: str, tmp_path: Path) -> None:
    trained = trained_encoder(kind)
    images, wanted = reference(trained)
    path = write(trained, "safetensors", tmp_path / "x.safetensors")
    recipe = RECIPES["safetensors"](trained, str(path))
    assert "torchvision" not in "\n".join(recipe)
    assert_equal(run_recipe(recipe, images=images)["features"], wanted, 1e-5)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["recipe"])[-1] == recipe[-1]


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - FOREIGN))
@pytest.mark.parametrize("file_format", ["torchvision", "hf"])
def test_what_torchvision_has_not_is_refused_by_name(kind: str, file_format: str, tmp_path: Path) -> None:
    trained = trained_encoder(kind)
    named = "backbone.norm=sw3" if kind == "switchable" else "backbone.arch=cifar_resnet8"
    with pytest.raises(ExportError, match=named) as caught:
        WRITERS[file_format](trained, tmp_path / "x", trained.facts)
    assert "--format onnx" in caught.value.next[0]
    assert caught.value.next[1].endswith("--format npz")


@pytest.mark.parametrize("kind", ["small stem", "cifar stem"])
def test_timm_has_no_argument_for_a_small_stem(kind: str, tmp_path: Path) -> None:
    trained = trained_encoder(kind)
    with pytest.raises(ExportError, match=f"its stem is {kind.split()[0]}"):
        WRITERS["hf"](trained, tmp_path / "x", trained.facts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", ["torchvision", "safetensors", "hf"])
@pytest.mark.parametrize("kind", ["whitening in groups", "bottleneck"])
def test_the_printed_lines_load_the_file(kind: str, file_format: str, tmp_path: Path) -> None:
    trained = trained_encoder(kind)
    images, wanted = reference(trained)
    path = write(trained, file_format, tmp_path / "exported")
    features = run_recipe(RECIPES[file_format](trained, str(path)), images=images)["features"]
    assert check_features(features, wanted, tolerance=1e-5, file_format=file_format) <= 1e-5


def test_a_difference_is_an_error() -> None:
    _, wanted = reference(trained_encoder("cifar resnet"))
    assert check_features(wanted, wanted, tolerance=1e-5, file_format="onnx") == 0
    for wrong in (wanted * 1.001, wanted[:3], wanted.masked_fill(wanted == wanted.max(), torch.nan)):
        with pytest.raises(ExportError, match="does not give the encoder's features"):
            check_features(wrong, wanted, tolerance=1e-5, file_format="onnx")
