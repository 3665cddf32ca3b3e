"""The diagnosis distinguishes values that are not finite, too few samples, overflow, and collapse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.whitening import diagnose, whiten


def embeddings(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def found(x: Tensor, **kwargs: object) -> WhiteningFailed:
    """The diagnosis, which must be there, and be an error with a code and next steps."""
    failure = diagnose(x, **kwargs)  # type: ignore[arg-type]
    assert failure is not None
    assert failure.code == "E_WHITENING"
    assert failure.next
    return failure


def test_healthy_embeddings_have_no_diagnosis() -> None:
    assert diagnose(embeddings(2, 64, 8)) is None
    assert diagnose(embeddings(2, 64, 8), whitening_size=16) is None
    assert diagnose(embeddings(2, 64, 8).bfloat16(), whitening_size=16) is None


def test_values_that_are_not_finite_are_counted() -> None:
    x = embeddings(2, 64, 8)
    x[0, 3, :5] = math.nan
    x[1, 9, 0] = math.inf
    failure = found(x, whitening_size=16)
    assert failure.title == "the embeddings to be whitened are not all finite"
    assert failure.detail == "5 NaN and 1 infinite values of 1024, in 2 of 128 embeddings"
    assert "optimizer.lr" in failure.next[0]


def test_a_small_slice_is_diagnosed_with_sizes_that_suffice() -> None:
    failure = found(embeddings(2, 64, 32), whitening_size=32)
    assert failure.title == "a slice of 32 images cannot whiten 32 dimensions"
    assert failure.detail == "the covariance of 32 images has rank 31 at most"
    assert failure.next == (
        "set method.whitening_size to 64 (twice the embedding size) or more, 33 at least",
        "or set projector.dim to 16 or less",
    )
    assert diagnose(embeddings(2, 64, 32), whitening_size=32, eps=1e-3) is None


@pytest.mark.parametrize("operator", ["cholesky", "zca", "pca"])
def test_a_narrow_layer_before_the_embeddings_is_recognised_by_their_rank(operator: str) -> None:
    narrow = embeddings(2, 256, 6) @ embeddings(6, 20, seed=1) + 3
    failure = found(narrow, whitening_size=64, operator=operator)
    assert "all embeddings together have rank 6 of 20" in failure.detail
    assert failure.next[0] == (
        "the layer before them may be too narrow: projector.hidden or the features below 20"
    )


def test_collapse_is_diagnosed_with_minor_rank_spread_and_slices() -> None:
    x = embeddings(2, 64, 8)
    x[1, :16, 2] = 0.25  # constant in one of eight slices
    x[1, :16, 6] = -1.0
    failure = found(x, whitening_size=16)
    assert failure.title == "the embeddings have collapsed: the covariance of a slice has no Cholesky factor"
    assert "the leading minor of order 3 is not positive; 8 dimensions of effective rank " in failure.detail
    assert " over 16 images, standard deviations from 0 to " in failure.detail
    assert failure.detail.endswith("2 of them constant; 1 of 8 slices failed")
    assert any("method.eps" in step for step in failure.next)


def test_effective_rank_is_the_exponential_of_the_spectrums_entropy() -> None:
    x = torch.zeros(1, 64, 4)
    x[0, :, 0] = embeddings(64)
    x[0, :, 1] = x[0, :, 0].roll(1)
    x[0, :, 2] = x[0, :, 0]  # three dimensions move, two of them together; the last does not
    variances = torch.linalg.eigvalsh(torch.cov(x[0].T.double())).clamp(min=0)
    shares = [v / variances.sum().item() for v in variances.tolist() if v > 1e-12]
    rank = math.exp(-sum(share * math.log(share) for share in shares))
    assert f"4 dimensions of effective rank {rank:.1f} over 64 images" in found(x).detail
    assert "1 of them constant" in found(x).detail


def test_complete_collapse_has_rank_zero() -> None:
    failure = found(torch.full((2, 32, 4), 0.5))
    assert "effective rank 0.0" in failure.detail
    assert "4 of them constant; 2 of 2 slices failed" in failure.detail


def test_values_whose_squares_overflow_are_no_collapse() -> None:
    x = embeddings(2, 32, 4)
    x[0, 0, 0] = 3e20
    failure = found(x)
    assert failure.title == "the embeddings are too large to be whitened"
    assert failure.detail == "values up to 3e+20, whose squares overflow; 1 of 2 slices failed"


def test_the_order_decides_which_images_share_a_slice() -> None:
    x = embeddings(2, 32, 4)
    x[0, ::2, 1] = 0.5  # constant over the even images
    in_order = torch.arange(32)[None]
    evens_first = torch.arange(32).view(16, 2).T.reshape(1, 32)
    assert diagnose(x, whitening_size=16, permutations=in_order) is None
    failure = found(x, whitening_size=16, permutations=torch.cat([in_order, evens_first]))
    assert failure.detail.endswith("1 of them constant; 1 of 8 slices failed")


def test_the_error_of_whiten_is_the_diagnosis() -> None:
    x = embeddings(2, 32, 4)
    x[1, :, 3] = 2 * x[1, :, 0]
    with pytest.raises(WhiteningFailed) as raised:
        whiten(x)
    expected = found(x)
    assert (raised.value.title, raised.value.detail) == (expected.title, expected.detail)


def test_a_diagnosis_leaves_no_graph_behind() -> None:
    assert diagnose(embeddings(2, 32, 4).requires_grad_()) is None
