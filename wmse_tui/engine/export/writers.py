"""Writers: an encoder as a file or folder of another library."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from wmse_tui.config.sections.backbone import no_counterpart
from wmse_tui.engine.errors import ExportError
from wmse_tui.engine.export.model_card import model_card
from wmse_tui.engine.export.trained_encoder import (
    NormalisedEncoder,
    TrainedEncoder,
    own_weights,
    torchvision_weights,
)

OPSET = 20
INTERPOLATION = "bicubic"  # of the evaluation's resizing (`pixel_batches`)

Facts = Mapping[str, Any]
"""What a file records about itself: of the sidecar."""


def write_torchvision(trained: TrainedEncoder, path: Path, _facts: Facts) -> None:
    """A state_dict of tensors, which `torch.load(weights_only=True)` reads. Raises ExportError, OSError."""
    with path.open("wb") as file:
        torch.save(torchvision_weights(trained), file)


def write_safetensors(trained: TrainedEncoder, path: Path, facts: Facts) -> None:
    """Torchvision's names where it has such a network, else ours (`layout` in the metadata)."""
    from safetensors.torch import save

    tensors = own_weights(trained) if no_counterpart(trained.options) else torchvision_weights(trained)
    path.write_bytes(save(tensors, metadata=as_strings(facts)))


def write_onnx(trained: TrainedEncoder, path: Path, facts: Facts) -> None:
    """A graph `images` (batch, 3, size, size) in [0, 1] to `features`, of any batch, in one file."""
    import onnx

    model = NormalisedEncoder(trained).eval()
    program = torch.onnx.export(
        model,
        (_example(trained),),
        dynamo=True,
        opset_version=OPSET,
        input_names=["images"],
        output_names=["features"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=False)
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, as_strings(facts))
    onnx.save(graph, path)


def write_torch_export(trained: TrainedEncoder, path: Path, facts: Facts) -> None:
    """The same graph as a program of torch, which this version of torch and later ones load."""
    model = NormalisedEncoder(trained).eval()
    program = torch.export.export(
        model, (_example(trained),), dynamic_shapes={"images": {0: torch.export.Dim("batch")}}
    )
    torch.export.save(program, path, extra_files={"wmse_tui.json": json.dumps(facts)})


def write_hf(trained: TrainedEncoder, path: Path, facts: Facts) -> None:
    """A folder that timm loads by `local-dir:` and the Hub shows: weights, configuration, model card.

    Raises:
        ExportError: timm has no such network, or no argument for its stem.
        OSError: the folder cannot be filled.
    """
    from safetensors.torch import save

    tensors = torchvision_weights(trained)
    if trained.stem != "imagenet":
        raise ExportError(
            "timm has no argument for the stem of this encoder",
            f"its stem is {trained.stem} (backbone.stem={trained.options.stem}, {trained.crop} px)",
            next=(
                "export the weights with the lines that load them: --format safetensors",
                "export a graph: --format onnx, or --format torch-export",
            ),
        )
    classes = len(tensors["fc.bias"]) if "fc.bias" in tensors else 0
    configuration = {
        "architecture": trained.options.arch,
        "num_classes": classes,
        "num_features": trained.dim,
        "global_pool": "avg",
        "pretrained_cfg": {
            "input_size": [3, trained.size, trained.size],
            "interpolation": INTERPOLATION,
            "crop_pct": trained.crop_share,
            "crop_mode": "center",
            "mean": trained.mean,
            "std": trained.std,
            "first_conv": "conv1",
            "classifier": "fc",
            "num_classes": classes,
        },
    }
    path.mkdir()
    (path / "model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
    (path / "config.json").write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
    (path / "wmse_tui.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (path / "README.md").write_text(model_card(trained, facts), encoding="utf-8")


def as_strings(facts: Facts) -> dict[str, str]:
    """Facts as the string metadata of a file: text as it is, everything else as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in {"format": "pt", **facts}.items()
    }


def _example(trained: TrainedEncoder) -> torch.Tensor:
    """Two images: a batch of one would be taken for a constant."""
    return torch.zeros(2, 3, trained.size, trained.size)


Writer = Callable[[TrainedEncoder, Path, Facts], None]
WRITERS: Mapping[str, Writer] = MappingProxyType(
    {
        "torchvision": write_torchvision,
        "safetensors": write_safetensors,
        "onnx": write_onnx,
        "torch-export": write_torch_export,
        "hf": write_hf,
    }
)
