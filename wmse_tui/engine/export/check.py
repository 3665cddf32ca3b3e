"""The check of an exported file: its own recipe loads it, and gives the features of the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wmse_tui.engine.errors import ExportError
from wmse_tui.engine.export.trained_encoder import NormalisedEncoder, TrainedEncoder

IMAGES = 7
"""Compared; not the size of the batch by which a graph is traced."""
TOLERANCE = 1e-5
GRAPH_TOLERANCE = 1e-4  # of onnxruntime, whose convolutions add in another order


def reference(trained: TrainedEncoder) -> tuple[Tensor, Tensor]:
    """Images (7, 3, size, size) of noise in [0, 1], from dark to bright, and their features (7, dim)."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(IMAGES, 3, trained.size, trained.size, generator=generator)
    images = images * torch.linspace(0.2, 1, IMAGES)[:, None, None, None]
    with torch.inference_mode():
        return images, NormalisedEncoder(trained).eval()(images)


def run_recipe(lines: Sequence[str], **given: object) -> dict[str, Any]:
    """Execute a recipe; returns its variables. Raises what the libraries that it calls raise."""
    variables: dict[str, Any] = dict(given)
    exec("\n".join(lines), variables)  # noqa: S102 (our own lines, with the path as a literal)
    return variables


def check_features(got: object, wanted: Tensor, *, tolerance: float, file_format: str) -> float:
    """The largest difference between features (images, dim), relative to the largest of `wanted`.

    Raises:
        ExportError: another shape, or a difference above `tolerance`.
    """
    array = np.asarray(got, dtype=np.float32)
    expected = wanted.numpy()
    if array.shape != expected.shape:
        raise _differs(file_format, f"its features have the shape {array.shape}, not {expected.shape}")
    difference = float(np.abs(array - expected).max() / max(np.abs(expected).max(), 1e-12))
    if not difference <= tolerance:
        raise _differs(
            file_format, f"a relative difference of {difference:.2g}, at most {tolerance:.0e} is rounding"
        )
    return difference


def _differs(file_format: str, detail: str) -> ExportError:
    return ExportError(
        f"the exported file ({file_format}) does not give the encoder's features",
        detail,
        next=("nothing was written; export another format: --format torchvision, or --format npz",),
    )
