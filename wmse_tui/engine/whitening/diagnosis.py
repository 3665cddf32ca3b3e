"""Why a slice cannot be whitened: values that are not finite, too few samples, or collapsed dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.whitening.cholesky import factorise
from wmse_tui.engine.whitening.precision import at_least_float32, full_precision
from wmse_tui.engine.whitening.slicing import sliced

_CALM = "lower optimizer.lr, or lengthen schedule.warmup_steps: the network itself has diverged"


@torch.no_grad()
def diagnose(
    embeddings: Tensor,
    *,
    whitening_size: int | None = None,
    permutations: Tensor | None = None,
    eps: float = 0.0,
) -> WhiteningFailed | None:
    """Explain why `whiten` fails on these embeddings, or None where it does not.

    Waits for the device and factorises again: meant for after a loss that is not finite, not for every step.

    Args:
        embeddings: (..., samples, dim), as `whiten` or the loss was given them.
        whitening_size: cut the samples into slices of so many first; None: they are one slice.
        permutations: (iterations, samples), the order of the samples before they are cut (see `sliced`).
        eps: as `whiten` was given it.
    """
    size = embeddings.shape[-2] if whitening_size is None else whitening_size
    x = sliced(at_least_float32(embeddings), whitening_size=size, permutations=permutations)
    return _not_finite(embeddings) or too_few_samples(x, eps) or _no_factor(x, eps)


def too_few_samples(x: Tensor, eps: float) -> WhiteningFailed | None:
    """The verdict on the shape alone: without shrinkage `dim` dimensions need `dim` + 1 samples or more."""
    samples, dim = x.shape[-2:]
    if samples > (dim if eps == 0 else 1):
        return None
    return WhiteningFailed(
        f"a slice of {samples} images cannot whiten {dim} dimensions",
        f"the covariance of {samples} images has rank {max(samples - 1, 0)} at most",
        next=(
            f"set method.whitening_size to {2 * dim} (twice the embedding size) or more, {dim + 1} at least",
            f"or set projector.dim to {max(samples // 2, 1)} or less",
        ),
    )


def _not_finite(embeddings: Tensor) -> WhiteningFailed | None:
    nan, infinite = int(embeddings.isnan().sum()), int(embeddings.isinf().sum())
    if nan + infinite == 0:
        return None
    hit = (~embeddings.isfinite()).any(-1)
    return WhiteningFailed(
        "the embeddings to be whitened are not all finite",
        f"{nan} NaN and {infinite} infinite values of {embeddings.numel()}, "
        f"in {int(hit.sum())} of {hit.numel()} embeddings",
        next=(_CALM, "if it happened at the first step: look at the images, dataset.mean and dataset.std"),
    )


def _no_factor(x: Tensor, eps: float) -> WhiteningFailed | None:
    with full_precision(x.device.type):
        centred, _, order = factorise(x, eps)
        finite = (centred.mT @ centred).isfinite().all()
    failed = order.flatten().nonzero().flatten()
    if len(failed) == 0:
        return None
    slices = centred.flatten(0, -3)
    share = f"{len(failed)} of {len(slices)} slices failed"
    if not finite:
        return WhiteningFailed(
            "the embeddings are too large to be whitened",
            f"values up to {x.abs().max().item():.3g}, whose squares overflow; {share}",
            next=(_CALM,),
        )
    minor = int(order.flatten()[failed[0]])
    return WhiteningFailed(
        "the embeddings have collapsed: the covariance of a slice has no Cholesky factor",
        f"the leading minor of order {minor} is not positive; {_spread(slices[failed[0]], x)}; {share}",
        next=(
            "start a new run with a lower optimizer.lr or longer schedule.warmup_steps",
            "take more images to a slice (method.whitening_size) or fewer dimensions (projector.dim)",
            "if many images are alike or repeated: look at dataset and augmentation",
            "set method.eps (1e-4, say) only knowingly: it changes the loss, most so for small embeddings",
        ),
    )


def _spread(centred: Tensor, x: Tensor) -> str:
    """How the embeddings of one slice spread over their dimensions, in numbers."""
    samples, dim = centred.shape
    exact = centred.double().cpu()
    deviations = exact.square().sum(0).div(samples - 1).sqrt()
    constant = int((deviations <= 4 * torch.finfo(x.dtype).eps * x.abs().max().item()).sum())
    variances = torch.linalg.eigvalsh(exact.mT @ exact).clamp(min=0)
    shares = variances / variances.sum().clamp(min=torch.finfo(variances.dtype).tiny)
    effective_rank = torch.special.entr(shares).sum().exp().item() if shares.any() else 0.0
    return (
        f"{dim} dimensions of effective rank {effective_rank:.1f} over {samples} images, "
        f"standard deviations from {deviations.min().item():.3g} to {deviations.max().item():.3g}, "
        f"{constant} of them constant"
    )
