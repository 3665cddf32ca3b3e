"""The embedding map: which images it has, their points in two dimensions, and its file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from wmse_tui.engine.random import subset_order
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.run_folder import publish_file
from wmse_tui.runs.state.embedding import read_arrays

from .interruption import ShouldStop, never
from .t_sne import FEWEST, t_sne

MAP_IMAGES = 1000
"""Images on a map, at most."""

MapKind = Literal["pca", "tsne"]


def choose_images(labels: Tensor, *, most: int = MAP_IMAGES) -> Tensor:
    """Which images are on the map: the same ones each time, and of each class as many as possible.

    Args:
        labels: int64 (images,), on the CPU.

    Returns:
        Indices, int64 (at most `most`,), in a random order that depends on the number of images alone.
    """
    order = subset_order(len(labels))
    by_class = order[torch.argsort(labels[order], stable=True)]
    _, sizes = torch.unique_consecutive(labels[by_class], return_counts=True)
    first = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    turn = torch.empty_like(order)  # how many of its class come before an image
    turn[by_class] = torch.arange(len(order)) - first
    return order[torch.argsort(turn[order], stable=True)][:most]


def map_points(
    features: Tensor, kind: MapKind, *, previous: Tensor | None = None, should_stop: ShouldStop = never
) -> tuple[Tensor, MapKind]:
    """The points of `features` (n, dim), float32 (n, 2) on the CPU, and how they were computed.

    Args:
        kind: "tsne" becomes "pca" where there are too few images for neighbourhoods.
        previous: (n, 2), the points of the same images on an earlier map, which this one is rotated towards;
            of no account if it is not finite, as one that was made by a damaged encoder.

    Raises:
        EvaluationInterrupted: `should_stop` returned true.
    """
    exact = features.detach().to("cpu", torch.float64)
    points = principal_plane(exact)
    if len(exact) < FEWEST:
        kind = "pca"
    if kind == "tsne":
        points = t_sne(exact.float(), start=points.float(), should_stop=should_stop).double()
    if previous is not None and previous.shape == points.shape and previous.isfinite().all():
        points = turned_towards(points, previous.double())
    return points.float(), kind


def principal_plane(x: Tensor) -> Tensor:
    """(n, 2): `x` (n, dim) on the two directions of its largest variance, of mean 0.

    The signs of the directions are settled by their largest element, so that equal features give equal maps.
    A direction that is not there is 0.
    """
    n, dim = x.shape
    centred = x - x.mean(0)
    if dim <= n:
        _, vectors = torch.linalg.eigh(centred.mT @ centred)
        directions = vectors.flip(1)[:, :2]
    else:  # the same directions from the inner products of the images, the smaller matrix
        _, vectors = torch.linalg.eigh(centred @ centred.mT)
        directions = normalize(centred.mT @ vectors.flip(1)[:, :2], dim=0)
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    points = centred @ (directions * largest.sign())
    return pad(points, (0, 2 - points.shape[1]))


def turned_towards(points: Tensor, previous: Tensor) -> Tensor:
    """`points` (n, 2), of mean 0, rotated or reflected so as to be nearest to `previous` (n, 2).

    The orthogonal Procrustes problem (Schönemann 1966). Without it a direction that gains on another would
    flip the whole map between two evaluations.
    """
    left, _, right = torch.linalg.svd(points.mT @ (previous - previous.mean(0)))
    turned: Tensor = points @ left @ right
    return turned


def publish_map(
    path: Path,
    points: Tensor,
    labels: Tensor,
    classes: Sequence[str],
    *,
    step: int,
    epoch: int,
    kind: MapKind,
) -> None:
    """Write the map to `path`, atomically. Raises OSError.

    An .npz file: `points` float32 (n, 2), `labels` int64 (n,) with -1 for none, `classes` text, `step`,
    `epoch`, `method`.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        points=points.numpy().astype(np.float32),
        labels=labels.numpy().astype(np.int64),
        classes=np.array(classes, dtype=np.str_),
        step=np.int64(step),
        epoch=np.int64(epoch),
        method=np.str_(kind),
    )
    publish_file(path, buffer.getvalue())


def read_points(path: Path) -> Tensor | None:
    """The points of the map at `path`; None where there is none that can be read."""
    try:
        return torch.from_numpy(read_arrays(path)["points"].astype(np.float32))
    except (StorageError, ValueError):
        return None
