"""Full precision: autocast and shortened products are left inside the block, and as they were behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.precision import at_least_float32, full_precision
from wmse_tui.engine.whitening import cholesky, whiten

SWITCHES: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    for switch in SWITCHES:
        switch.fp32_precision = "none"


def states() -> list[str]:
    return [switch.fp32_precision for switch in SWITCHES]


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_products_are_float32_inside_and_as_before_behind(precision: str) -> None:
    torch.set_float32_matmul_precision(precision)
    before = states()
    with full_precision("cpu"):
        assert set(states()) <= {"none", "ieee"}
    assert states() == before
    assert torch.get_float32_matmul_precision() == precision


def test_the_newer_switch_alone_is_obeyed_too() -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    with full_precision("cuda"):
        assert states()[0] == "ieee"
    assert states()[0] == "tf32"


def test_an_error_inside_restores_the_switches() -> None:
    torch.set_float32_matmul_precision("high")
    before = states()
    with pytest.raises(KeyError), full_precision("cpu"):
        raise KeyError
    assert states() == before


def test_autocast_is_off_inside_only() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with full_precision("cpu"):
            assert (x @ x).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_whitening_and_its_gradient_do_not_heed_shortened_products(precision: str) -> None:
    x = torch.randn(4, 128, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.randn(4, 128, 64, generator=torch.Generator().manual_seed(1))

    def run() -> tuple[Tensor, Tensor]:
        whitened = whiten(x)
        return whitened, torch.autograd.grad((whitened * weights).sum(), x)[0]

    exact = run()
    torch.set_float32_matmul_precision(precision)
    for value, expected in zip(run(), exact, strict=True):
        assert torch.equal(value, expected)


def test_the_backward_enters_full_precision_again(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []

    def counted(device_type: str) -> AbstractContextManager[None]:
        entered.append(device_type)
        return full_precision(device_type)

    monkeypatch.setattr(cholesky, "full_precision", counted)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    whitened = whiten(x)
    assert entered == ["cpu"]
    torch.autograd.grad(whitened.sum(), x)
    assert entered == ["cpu", "cpu"]


def test_half_is_promoted_and_double_stays() -> None:
    dtypes = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
    promoted = [at_least_float32(torch.ones(1, dtype=dtype)).dtype for dtype in dtypes]
    assert promoted == [torch.float32, torch.float32, torch.float32, torch.float64]
