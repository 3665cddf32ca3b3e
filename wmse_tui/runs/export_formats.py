"""The formats in which an encoder, its features or a whole run can be exported: names, suffixes, packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Literal

FormatName = Literal["torchvision", "safetensors", "onnx", "torch-export", "hf", "npz", "parquet", "archive"]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format of `wmse-tui export`.

    Args:
        title: what it is, for a list.
        suffix: of its file; "" where it is a folder.
        packages: the packages that write it or load it back, as they are imported.
        extra: of this project, which installs them; "" where none is needed.
        of_torchvision: only for an encoder whose form torchvision has too.
    """

    title: str
    suffix: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    of_torchvision: bool = False

    def missing_packages(self) -> list[str]:
        """Those of `packages` that are not installed; none of them is imported."""
        return [name for name in self.packages if find_spec(name) is None]


EXPORT_FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {
        "torchvision": ExportFormat(
            "weights for a torchvision ResNet (state_dict)", ".pth", of_torchvision=True
        ),
        "safetensors": ExportFormat(
            "weights as safetensors", ".safetensors", ("safetensors",), "safetensors"
        ),
        "onnx": ExportFormat(
            "images to features for onnxruntime", ".onnx", ("onnx", "onnxscript", "onnxruntime"), "onnx"
        ),
        "torch-export": ExportFormat("images to features for torch.export.load", ".pt2"),
        "hf": ExportFormat(
            "a Hugging Face folder for timm, with a model card",
            "",
            ("safetensors", "timm"),
            "hub",
            of_torchvision=True,
        ),
        "npz": ExportFormat("features and labels as NumPy arrays", ".npz"),
        "parquet": ExportFormat(
            "features and labels as a Parquet table", ".parquet", ("pyarrow",), "parquet"
        ),
        "archive": ExportFormat("the whole run, to be imported elsewhere", ".tar"),
    }
)
