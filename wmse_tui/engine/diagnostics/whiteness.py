"""How white a whitened slice is."""

from __future__ import annotations

import torch
from torch import Tensor


def whiteness_error(z: Tensor) -> Tensor:
    """|ZᵀZ / (samples - 1) - 1| / √dim, Frobenius, of each of `z` (..., samples, dim), centred here.

    0 for what an exact root has whitened; 1 where nothing is left; above 0 for Newton's iteration and with
    shrinkage.
    """
    exact = z.detach().to("cpu", torch.float64)
    centred = exact - exact.mean(-2, keepdim=True)
    samples, dim = z.shape[-2:]
    covariance = centred.mT @ centred / (samples - 1)
    identity = torch.eye(dim, dtype=exact.dtype)
    error: Tensor = torch.linalg.matrix_norm(covariance - identity) / dim**0.5
    return error
