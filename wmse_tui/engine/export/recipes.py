"""Recipes: the lines of Python that load an exported file and compute features.

A recipe begins from `images`, a float32 tensor (batch, 3, size, size) of RGB in [0, 1], and ends with
`features`. It is printed, written beside the file, and executed by the check before a file is published: what
people read is what was run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from wmse_tui.config.sections.backbone import no_counterpart
from wmse_tui.engine.export.trained_encoder import TrainedEncoder

STEM_LINES = MappingProxyType(
    {
        "imagenet": (),
        "small": ("model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)",),
        "cifar": (
            "model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)",
            "model.maxpool = nn.Identity()",
        ),
    }
)


def torchvision_recipe(trained: TrainedEncoder, file: str) -> list[str]:
    """Load a `.pth` into torchvision's network."""
    return [
        "import torch",
        "import torchvision",
        "from torch import nn",
        "",
        *_torchvision_model(trained),
        f"model.load_state_dict(torch.load({file!r}, weights_only=True))",
        *_features(trained),
    ]


def safetensors_recipe(trained: TrainedEncoder, file: str) -> list[str]:
    """Load a `.safetensors` into torchvision's network, or into ours where torchvision has none."""
    if no_counterpart(trained.options):
        imports, model = ["from wmse_tui.engine.models.encoder import build_encoder"], _own_model(trained)
    else:
        imports, model = ["import torchvision", "from torch import nn"], _torchvision_model(trained)
    return [
        "import torch",
        "from safetensors.torch import load_file",
        *imports,
        "",
        *model,
        f"model.load_state_dict(load_file({file!r}))",
        *_features(trained),
    ]


def onnx_recipe(_trained: TrainedEncoder, file: str) -> list[str]:
    """Run an `.onnx` with onnxruntime."""
    return [
        "import onnxruntime",
        "",
        f"session = onnxruntime.InferenceSession({file!r}, providers=['CPUExecutionProvider'])",
        "(features,) = session.run(None, {'images': images.numpy()})",
    ]


def torch_export_recipe(_trained: TrainedEncoder, file: str) -> list[str]:
    """Run a `.pt2` with torch."""
    return [
        "import torch",
        "",
        f"model = torch.export.load({file!r}).module()",
        "with torch.inference_mode():",
        "    features = model(images)",
    ]


def hf_recipe(trained: TrainedEncoder, file: str) -> list[str]:
    """Load a folder with timm."""
    return [
        "import timm",
        "import torch",
        "",
        f"model = timm.create_model('local-dir:' + {file!r}, pretrained=True)",
        *_features(trained),
    ]


def npz_recipe(_trained: TrainedEncoder, file: str) -> list[str]:
    """Read an `.npz`."""
    return [
        "import numpy as np",
        "",
        f"with np.load({file!r}, allow_pickle=False) as table:",
        "    features, labels = table['features'], table['labels']",
    ]


def parquet_recipe(_trained: TrainedEncoder, file: str) -> list[str]:
    """Read a `.parquet`."""
    return [
        "import numpy as np",
        "import pyarrow.parquet as pq",
        "",
        f"table = pq.read_table({file!r})",
        "features = np.stack(table['features'].to_numpy())",
        "labels = table['label'].to_numpy()",
    ]


def _torchvision_model(trained: TrainedEncoder) -> list[str]:
    whitening = trained.whitening is not None
    classes = f"num_classes={trained.dim}" if whitening else ""
    return [
        f"model = torchvision.models.{trained.options.arch}({classes})",
        *STEM_LINES[trained.stem],
        *([] if whitening else ["model.fc = nn.Identity()"]),
    ]


def _own_model(trained: TrainedEncoder) -> list[str]:
    chosen = trained.options.model_dump(exclude_defaults=True)
    options = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
    return [
        "from wmse_tui.config.sections.backbone import Backbone",
        "",
        f"model = build_encoder(Backbone({options}), crop={trained.crop})",
    ]


def _features(trained: TrainedEncoder) -> list[str]:
    return [
        "model.eval()",
        f"mean = torch.tensor({list(trained.mean)}).view(3, 1, 1)",
        f"std = torch.tensor({list(trained.std)}).view(3, 1, 1)",
        "with torch.inference_mode():",
        "    features = model((images - mean) / std)",
    ]


Recipe = Callable[[TrainedEncoder, str], list[str]]
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "torchvision": torchvision_recipe,
        "safetensors": safetensors_recipe,
        "onnx": onnx_recipe,
        "torch-export": torch_export_recipe,
        "hf": hf_recipe,
        "npz": npz_recipe,
        "parquet": parquet_recipe,
    }
)
