"""The precision of a computation: autocast, or full float32 out of autocast and of shortened products.

Matrix units shorten float32 products to TF32 or bfloat16. A whitening loss must not allow that: rounding the
products of a covariance to TF32 costs three digits of its gradient, bfloat16 four, and an ill-conditioned
covariance in bfloat16 is often not positive definite any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["float32", "bfloat16"]


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The arithmetic of an encoder: mixed precision for "bfloat16", else float32 even inside autocast."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def at_least_float32(x: Tensor) -> Tensor:
    """`x` as float32, or unchanged where it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def full_precision(device_type: str) -> Iterator[None]:
    """Within this block float32 matrices are multiplied in float32, whatever the caller has allowed.

    The switches belong to the process, not to the thread: they are changed only where the process allows
    shorter products, and restored afterwards. They are read when a product is launched, so a backward that
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
