"""What the device could do at most: its arithmetic and its memory, by the plainest operations there are."""

from __future__ import annotations

import torch

from wmse_tui.engine.benchmark.rounds import Row, Stopwatch, measure

SIDE = {"cpu": 1536, "cuda": 8192}  # of the matrices
BYTES = {"cpu": 2**28, "cuda": 2**31}  # of the block that is copied: no cache holds it


def arithmetic(device: torch.device, precision: str, *, rounds: int) -> Row:
    """One large matrix product; `work` counts a multiplication and an addition as two, as GFLOP."""
    side = SIDE[device.type]
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    watch = Stopwatch(device)
    return measure(
        "arithmetic",
        f"product of two {side} x {side} matrices, {precision}",
        lambda: watch(lambda: a @ b),
        None,
        rounds=3 * rounds,
        warm_up=3,
        work=2 * side**3 / 1e9,
        unit="GFLOP",
    )


def memory(device: torch.device, *, rounds: int) -> Row:
    """One copy; `work` counts what is read and what is written, in GB."""
    source = torch.ones(BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    watch = Stopwatch(device)
    return measure(
        "memory",
        f"copy of {BYTES[device.type] // 2**20} MiB",
        lambda: watch(lambda: target.copy_(source)),
        None,
        rounds=3 * rounds,
        warm_up=3,
        work=2 * BYTES[device.type] / 1e9,
        unit="GB",
    )
