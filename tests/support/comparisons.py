"""A small comparison: two runs that differ in the seed, and one that still trains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wmse_tui.runs.table.compare import Comparison, Difference, RepetitionGroup, Result, Setting, Spread
from wmse_tui.runs.table.index import RunRow

A = Result(
    row=RunRow(
        run_id="a_1",
        path="/runs/a_1",
        title="W-MSE 2",
        preset="cifar10",
        method="w_mse",
        dataset="cifar10",
        seed=0,
        status="completed",
        epoch=2,
        epochs=2,
        step=8,
        loss=0.25,
        final_knn=0.8,
        final_linear=0.9,
        best_knn=0.85,
        best_linear=0.9,
        device="CPU",
        host="gpu-a",
    ),
    config_problem="",
    total_steps=8,
    final_epoch=2,
    elapsed_seconds=4523.4,
    training_seconds=4000.0,
    images_per_second=1840.4,
)


def like_a(*, elapsed_seconds: float | None = A.elapsed_seconds, **row: Any) -> Result:
    return replace(A, row=replace(A.row, **row), elapsed_seconds=elapsed_seconds)


B = like_a(run_id="b", seed=1, final_knn=0.81, final_linear=None, best_linear=None)
C = like_a(run_id="c", status="running", epoch=1, final_linear=None, elapsed_seconds=None)


def group(places: tuple[int, ...], *results: Result, **spreads: Spread) -> RepetitionGroup:
    none = dict.fromkeys(
        (
            "final_linear",
            "best_knn",
            "best_linear",
            "elapsed_seconds",
            "training_seconds",
            "images_per_second",
        )
    )
    return RepetitionGroup(
        places=places,
        runs=tuple(result.row.run_id for result in results),
        seeds=tuple(result.row.seed for result in results),
        completed=tuple(result.row.run_id for result in results if result.row.status == "completed"),
        copies=(),
        **{"final_knn": None, **none, **spreads},
    )


SEED = Difference("seed", "Seed", "", tuple(Setting("set", seed) for seed in (0, 1, 0)))
RATE = Difference(
    "optimizer.lr", "Learning rate", "", (Setting("set", 3e-3), Setting("set", 3e-3), Setting("set", 1e-6))
)
SIZE = Difference(
    "method.whitening_size", "", "", (Setting("set", 128), Setting("set", 128), Setting("absent"))
)
COMPARISON = Comparison(
    (A, B, C),
    (SEED, SIZE, RATE),
    (
        group((0, 1), A, B, final_knn=Spread(2, 0.805, 0.00707), final_linear=Spread(1, 0.9, None)),
        group((2,), C),
    ),
)
WICKED = '=HYPERLINK("x")|`a`\n\x1b[31m\u202e $1_{\\#%&~^<b>}'


def only(result: Result) -> Comparison:
    return Comparison(
        (result,), (), (group((0,), result, final_knn=Spread(1, result.row.final_knn or 0, None)),)
    )
