"""Why a slice cannot be whitened: values that are not finite, too few samples, or collapsed dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.precision import at_least_float32, full_precision
from wmse_tui.engine.whitening.cholesky import ROUNDINGS, covariances, factorise
from wmse_tui.engine.whitening.rooted import root_of, varies
from wmse_tui.engine.whitening.roots import eigen, rounding_of_eigenvalues
from wmse_tui.engine.whitening.slices import Axis, Layout, sliced

_CALM = "lower optimizer.lr, or lengthen schedule.warmup_steps: the network itself has diverged"


@torch.no_grad()
def diagnose(
    embeddings: Tensor,
    *,
    whitening_size: int | None = None,
    permutations: Tensor | None = None,
    eps: float = 0.0,
    operator: str = "cholesky",
    layout: Layout | None = None,
) -> WhiteningFailed | None:
    """Explain why `whiten` fails on these embeddings, or None where it does not.

    Waits for the device and factorises again: meant for after a loss that is not finite, not for every step.

    Args:
        embeddings: (..., samples, dim), as passed to `whiten` or the loss.
        whitening_size: cut the samples into slices of so many first; None: they are one slice.
        permutations: (iterations, samples), the order of the samples before they are cut (see `sliced`).
        eps, operator: as passed to `whiten`.
        layout: the other arguments of `whiten`; its partition is one of the slices.

    Example:
        >>> import torch
        >>> collapsed = torch.ones(8, 2)
        >>> print(diagnose(collapsed).title)
        the embeddings have collapsed: the covariance of a slice has no Cholesky factor
        >>> diagnose(torch.randn(8, 2, generator=torch.Generator().manual_seed(0))) is None
        True
    """
    if operator == "none":
        return _not_finite(embeddings)
    x, layout = at_least_float32(embeddings), layout or Layout()
    if whitening_size is not None or permutations is not None:
        size = embeddings.shape[-2] if whitening_size is None else whitening_size
        x = sliced(x, whitening_size=size, permutations=permutations)
    y, mean = layout.arrange(x)
    few = too_few_samples(y, eps, layout.axis) if needs_rank(operator) else None
    return _not_finite(embeddings) or few or _no_root(y, mean, eps, operator, layout.axis)


def needs_rank(operator: str) -> bool:
    """Whether an operator inverts the covariance, which then must have full rank."""
    return operator in ("cholesky", "zca", "pca")


def too_few_samples(y: Tensor, eps: float, axis: Axis = "batch") -> WhiteningFailed | None:
    """The verdict on the shape alone: without shrinkage `dim` dimensions need `dim` + 1 samples or more.

    Over the channel axis the `y` (..., width, samples) of `Layout.arrange` have channels for samples.
    """
    samples, dim = y.shape[-2:]
    if samples > (dim if eps == 0 else 1):
        return None
    if axis == "channel":
        return WhiteningFailed(
            f"a group of {samples} channels cannot whiten {dim} images",
            f"the covariance over {samples} channels has rank {max(samples, 0)} at most",
            next=(
                f"set method.groups so that a group has {2 * dim} channels or more, {dim + 1} at least",
                f"or set method.whitening_size to {max(samples // 2, 1)} or less",
            ),
        )
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
        next=(_CALM, "if it happened at the first step: check the images, dataset.mean and dataset.std"),
    )


def _no_root(y: Tensor, mean: Tensor | None, eps: float, operator: str, axis: Axis) -> WhiteningFailed | None:
    with full_precision(y.device.type):
        centred, centre, covariance = covariances(y, eps, mean)
        finite = (centred.mT @ centred).isfinite().all()
        order = _first_unusable(y, mean, eps, operator, covariance, centre)
    failed = order.flatten().nonzero().flatten()
    if len(failed) == 0:
        return None
    slices = centred.reshape(-1, *centred.shape[-2:])
    share = f"{len(failed)} of {len(slices)} slices failed"
    if not finite:
        return WhiteningFailed(
            "the embeddings are too large to be whitened",
            f"values up to {y.abs().max().item():.3g}, whose squares overflow; {share}",
            next=(_CALM,),
        )
    minor = int(order.flatten()[failed[0]])
    title, evidence = {
        "cholesky": (
            "the covariance of a slice has no Cholesky factor",
            f"the leading minor of order {minor} is not positive",
        ),
        "standardise": ("a dimension does not vary", f"the variance of dimension {minor} is 0 or rounding"),
        "iterative": ("no dimension of a slice varies", "all variances are 0 or rounding"),
    }.get(
        operator,
        (
            "the covariance of a slice has no inverse root",
            f"its {minor} smallest eigenvalues are 0 or rounding",
        ),
    )
    rank, dim = _rank(centred), centred.shape[-1]
    narrow: tuple[str, ...] = ()
    if axis == "batch" and needs_rank(operator) and 1 < rank < min(dim, centred[..., 0].numel() - 1):
        evidence += f"; all embeddings together have rank {rank} of {dim}"
        narrow = (f"the layer before them may be too narrow: projector.hidden or the features below {dim}",)
    return WhiteningFailed(
        f"the embeddings have collapsed: {title}",
        f"{evidence}; {_spread(slices[failed[0]], y)}; {share}",
        next=(
            *narrow,
            "start a new run with a lower optimizer.lr or longer schedule.warmup_steps",
            "use more images to a slice (method.whitening_size) or fewer dimensions (projector.dim)"
            if axis == "batch"
            else "use fewer images to a slice (method.whitening_size) or more dimensions (projector.dim)",
            "if many images are alike or repeated: check dataset and augmentation",
            "set method.eps (1e-4, say) only knowingly: it changes the loss, most so for small embeddings",
        ),
    )


def _first_unusable(
    y: Tensor, mean: Tensor | None, eps: float, operator: str, covariance: Tensor, centre: Tensor
) -> Tensor:
    """(...) integers: 0 for a slice that the operator can whiten, else a number for its message."""
    if operator == "cholesky":
        return factorise(y, eps, mean)[2]
    variances = covariance.diagonal(dim1=-2, dim2=-1)
    rounding = ROUNDINGS * torch.finfo(y.dtype).eps
    if operator == "standardise":
        usable = variances > (rounding * centre.squeeze(-2)).square()
        return torch.where(usable.all(-1), 0, usable.int().argmin(-1) + 1)
    vary = torch.ones_like(variances[..., 0], dtype=torch.bool) if eps else varies(covariance, centre)
    if operator == "iterative":
        total = variances.sum(-1)
        return (~(vary & total.isfinite() & (total > 0))).int()
    values = eigen(covariance)[0]
    usable = root_of(operator, steps=1, device=y.device).matrix(covariance)[1]  # as it decided
    small = (values <= rounding_of_eigenvalues(values)[..., None]).sum(-1).clamp(min=1)
    return torch.where(usable & vary, 0, small)


def _rank(centred: Tensor) -> int:
    """The rank of all embeddings (..., samples, dim) together, up to the rounding of their kind."""
    together = centred.double().cpu().flatten(0, -2)
    return int(torch.linalg.matrix_rank(together, rtol=torch.finfo(centred.dtype).eps * max(together.shape)))


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
