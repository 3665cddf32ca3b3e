"""Full float32: out of autocast, and out of the shortened float32 products (TF32, bfloat16) of matrix units.

Why: rounding the products of a covariance to TF32 costs three digits of the gradient of a whitening loss,
bfloat16 four, and an ill-conditioned covariance in bfloat16 is often not positive definite any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """`x` as float32, or unchanged where it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Within this block float32 matrices are multiplied in float32, whatever the caller has allowed.

    The switches belong to the process, not to the thread: they are touched only where somebody has allowed
    shorter products, and put back afterwards. They are read when a product is launched, so a backward that
    needs full precision enters a block of its own. (torch 2.10 and later read `fp32_precision` alone, and
    refuse to report the older `allow_tf32` when the two disagree: so only the former is read and set.)
    """
    shortened = [
        (switch, switch.fp32_precision)
        for switch in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
        if switch.fp32_precision not in ("none", "ieee")
    ]
    try:
        for switch, _ in shortened:
            switch.fp32_precision = "ieee"
        with torch.autocast(device_type, enabled=False):
            yield
    finally:
        for switch, precision in shortened:
            switch.fp32_precision = precision
