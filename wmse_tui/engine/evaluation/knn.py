"""Nearest-neighbour accuracy: the majority of the k nearest training features, exact and in bounded memory.

Two rules are offered. "euclidean" is the W-MSE paper's: distance between the features as they are, every
neighbour one vote. "cosine" is the rule of instance discrimination (Wu et al. 2018, eq. 7): neighbours by
cosine similarity `s`, each with the weight exp(s / temperature). The two are different numbers and are never
to be compared with each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from .interruption import Progress, ShouldStop, check, never, no_progress

Metric = Literal["euclidean", "cosine"]

MAX_BYTES = 256 * 2**20
"""Working memory of one call besides its arguments and its result."""

COLUMNS = 16384
"""Training features in a block at most; more gain nothing."""

CACHE_BYTES = 4 * 2**20
"""Working memory of an exact ranking on a CPU."""

SPARE = 11
"""Candidates beyond k that a matrix product proposes and the exact ranking then orders."""


def knn_accuracy(
    x_train: Tensor,
    y_train: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    *,
    k: int = 5,
    metric: Metric = "euclidean",
    temperature: float = 0.07,
    max_bytes: int = MAX_BYTES,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> float:
    """Share of the test features whose predicted label is right, in [0, 1].

    Args: as `knn_predict`; `y_test` is (tests,) int64.
    Raises: as `knn_predict`.

    Example:
        >>> import torch
        >>> random = torch.Generator().manual_seed(0)
        >>> centres = 4 * torch.randn(3, 16, generator=random)  # of three classes
        >>> y = torch.arange(90) % 3
        >>> x = centres[y] + torch.randn(90, 16, generator=random)
        >>> knn_accuracy(x[:60], y[:60], x[60:], y[60:])
        1.0
    """
    if len(y_test) != len(x_test):
        raise ValueError(f"{len(x_test)} test features have {len(y_test)} labels")
    predicted = knn_predict(
        x_train,
        y_train,
        x_test,
        k=k,
        metric=metric,
        temperature=temperature,
        max_bytes=max_bytes,
        progress=progress,
        should_stop=should_stop,
    )
    return float((predicted == y_test.to(predicted.device)).double().mean())


def knn_predict(
    x_train: Tensor,
    y_train: Tensor,
    x_test: Tensor,
    *,
    k: int = 5,
    metric: Metric = "euclidean",
    temperature: float = 0.07,
    max_bytes: int = MAX_BYTES,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> Tensor:
    """Predict the label of each test feature from its k nearest training features.

    Equally distant neighbours rank by their index in the training set (among as many as `SPARE` of them at
    the edge of the neighbourhood); labels with equally many votes rank by their value, the smallest first, as
    in the paper's code.

    Args:
        x_train: (images, dim), floating or uint8, used as they are.
        y_train: (images,) int64; any integers.
        x_test: (tests, dim), of the same dtype and on the same device as `x_train`.
        temperature: of the cosine rule; the Euclidean one has none.
        max_bytes: bound on the working memory. Blocks of at least one test by k + `SPARE` training features
            are taken even where the bound is smaller than that. The k + `SPARE` candidates of all tests come
            on top (2 MB for 10,000 tests).

    Returns:
        (tests,) int64 on the device of `x_train`.

    Raises:
        ValueError: k is below 1 or above the number of training features; shapes, metric or temperature make
            no sense.
        EvaluationInterrupted: `should_stop` returned true.

    Example:
        >>> import torch
        >>> x_train, y_train = torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0, 0, 1])
        >>> knn_predict(x_train, y_train, torch.tensor([[0.4], [8.0]]), k=1)
        tensor([0, 1])
    """
    _check_arguments(x_train, y_train, x_test, k, metric, temperature)
    y_train = y_train.to(x_train.device)
    predicted = torch.empty(len(x_test), dtype=torch.int64, device=x_train.device)
    proposed = min(k + SPARE, len(x_train))
    rows, columns, ranked = block_sizes(x_train, x_test, proposed, max_bytes)
    with torch.no_grad(), torch.autocast(x_train.device.type, enabled=False):
        candidates = _propose(
            x_test, x_train, proposed, rows, columns, metric, progress=progress, should_stop=should_stop
        )
        for start, tests in _blocks(x_test, ranked):
            check(should_stop)
            nearest, scores = _rank(tests, x_train, candidates[start : start + len(tests)], k, metric)
            weights = None
            if metric == "cosine":  # relative to the nearest neighbour, so that no temperature overflows
                weights = torch.exp((scores - scores[:, :1]) / temperature)
            predicted[start : start + len(tests)] = vote(y_train[nearest], weights)
    return predicted


def vote(labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The label with the most votes in each row of `labels` (rows, k); the smallest of several such labels.

    Without an axis of classes: each neighbour counts the votes for its own label. `weights` (rows, k) are the
    votes, one each when absent.
    """
    same = labels[:, :, None] == labels[:, None, :]
    votes = same.sum(-1) if weights is None else (same * weights[:, None, :]).sum(-1)
    most = votes == votes.amax(-1, keepdim=True)
    return torch.where(most, labels, torch.iinfo(torch.int64).max).amin(-1)


def block_sizes(x_train: Tensor, x_test: Tensor, proposed: int, max_bytes: int) -> tuple[int, int, int]:
    """How much is worked on at a time, within `max_bytes`.

    Returns:
        Test rows and training rows of a block of similarities (what a matrix product and a sort of its rows
        hold), and test rows of an exact ranking (candidates and their difference in float64, the pairs of a
        vote), which on a CPU stays in its cache.
    """
    dim = x_train.shape[1]
    item = torch.finfo(_working_dtype(x_train)).bits // 8
    rows = max(1, min(len(x_test), 1024, max_bytes // (6 * item * max(dim, proposed))))
    left = max_bytes - rows * item * (dim + 6 * proposed)
    columns = max(proposed, min(len(x_train), COLUMNS, left // (item * (3 * rows + 2 * dim))))
    per_row = 8 * (3 * proposed * dim + 4 * proposed * proposed)
    cache = CACHE_BYTES if x_train.device.type == "cpu" else max_bytes
    return rows, columns, max(1, min(len(x_test), min(cache, max_bytes) // per_row))


def _check_arguments(
    x_train: Tensor, y_train: Tensor, x_test: Tensor, k: int, metric: str, temperature: float
) -> None:
    if x_train.ndim != 2 or x_test.ndim != 2 or x_train.shape[1] != x_test.shape[1]:
        raise ValueError(
            "features must be (images, dim) with one dim; "
            f"training has {tuple(x_train.shape)}, test {tuple(x_test.shape)}"
        )
    if len(y_train) != len(x_train):
        raise ValueError(f"{len(x_train)} training features have {len(y_train)} labels")
    if len(x_test) == 0:
        raise ValueError("there are no test features")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if k > len(x_train):
        raise ValueError(f"{k} neighbours requested, but there are only {len(x_train)} training features")
    if metric not in ("euclidean", "cosine"):
        raise ValueError(f"metric must be 'euclidean' or 'cosine', not {metric!r}")
    if metric == "cosine" and not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")


def _working_dtype(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _blocks(x: Tensor, size: int) -> Iterator[tuple[int, Tensor]]:
    for start in range(0, len(x), size):
        yield start, x[start : start + size]


def _mean(x: Tensor, size: int) -> Tensor:
    """Mean feature (dim,), in float64: the origin from which distances lose the least to rounding."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for _, block in _blocks(x, size):
        total += block.sum(0, dtype=torch.float64)
    return (total / len(x)).to(_working_dtype(x))


def _propose(
    x_test: Tensor,
    x_train: Tensor,
    proposed: int,
    rows: int,
    columns: int,
    metric: Metric,
    *,
    progress: Progress,
    should_stop: ShouldStop,
) -> Tensor:
    """Indices (tests, proposed) of the training features with the largest similarity.

    One block of training features at a time, which is prepared once and meets all tests. Euclidean: |t - x|²
    = |t|² - 2 (t·x - |x|²/2), all from the centre, so the largest t·x - |x|²/2 is the nearest. Cosine: t·x of
    normalised x, which is the cosine up to the norm of t.
    """
    dtype, device = _working_dtype(x_train), x_train.device
    centre = _mean(x_train, columns) if metric == "euclidean" else None
    values = torch.full((len(x_test), proposed), -torch.inf, dtype=dtype, device=device)
    indices = torch.zeros(len(x_test), proposed, dtype=torch.int64, device=device)
    total, done = math.ceil(len(x_train) / columns) * len(x_test), 0
    for first, raw in _blocks(x_train, columns):
        block = raw.to(dtype)
        if centre is None:
            block, half_norm = torch.nn.functional.normalize(block, dim=1), None
        else:
            block = block - centre
            half_norm = torch.linalg.vecdot(block, block)[None] / 2
        for start, some in _blocks(x_test, rows):
            check(should_stop)
            tests = some.to(dtype) if centre is None else some.to(dtype) - centre
            if half_norm is None:
                similarity = tests @ block.mT
            else:
                similarity = torch.addmm(half_norm, tests, block.mT, beta=-1)
            top = similarity.topk(min(proposed, len(block)), dim=1)
            here = slice(start, start + len(some))
            both = torch.cat([values[here], top.values], 1)
            which = torch.cat([indices[here], top.indices + first], 1)
            merged = both.topk(proposed, dim=1)
            values[here], indices[here] = merged.values, which.gather(1, merged.indices)
            done += len(some)
            progress("knn", len(x_test) * done // total, len(x_test), "images")
    return indices


def _rank(
    tests: Tensor, x_train: Tensor, candidates: Tensor, k: int, metric: Metric
) -> tuple[Tensor, Tensor]:
    """The k best candidates, best first: indices and scores (rows, k), in float64 and without expansion."""
    candidates = candidates.sort(1).values  # a stable order by score then prefers the earlier training image
    near, tests = x_train[candidates].double(), tests.double()[:, None]
    if metric == "euclidean":
        scores = -near.sub_(tests).square_().sum(-1)
    else:
        norms = near.square().sum(-1).sqrt() * tests.square().sum(-1).sqrt()
        scores = near.mul_(tests).sum(-1) / norms.clamp_min(torch.finfo(torch.float64).tiny)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    return candidates.gather(1, order[:, :k]), scores[:, :k]
