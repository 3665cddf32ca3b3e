"""Transfer results for tests."""

from __future__ import annotations

import json

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.transfer_results import (
    Calibration,
    FewShot,
    FineTuned,
    LinearTransfer,
    NeighbourTransfer,
    Score,
    TransferResult,
    transfer_json,
)


def save_transfer(run: RunDirectory, *results: TransferResult, checkpoint: str = "final.pt") -> None:
    """Save results in a run's `evaluations`, as `wmse-tui eval` does."""
    values = {
        "checkpoint": checkpoint,
        "time": "2026-01-02T03:04:05+00:00",
        "transfer": transfer_json(results),
    }
    number = len(list(run.evaluations.iterdir()))
    (run.evaluations / f"final-{number:03d}.json").write_text(json.dumps(values))


def transfer_result(name: str, value: float = 0.625, *, half: float = 0.03125) -> TransferResult:
    """The result on a set: `value` of the linear probe, and less of the nearest neighbours."""

    def score(of: float) -> Score:
        return Score(of, of - half, of + half)

    return TransferResult(
        set=name,
        title=name.rpartition("/")[2].title(),
        metric="top1",
        classes=8,
        train_split="train (2,000)",
        test_split="test (1,000)",
        size=32,
        resize=32,
        linear=LinearTransfer(
            score=score(value), top1=value, mean_per_class=value - 0.125, c=10.0, validation=0.75
        ),
        knn=NeighbourTransfer(score=score(value - 0.0625), k=5, metric="euclidean"),
        weighted_knn=NeighbourTransfer(
            score=score(value - 0.03125), k=20, metric="cosine", temperature=0.0625
        ),
        cached=False,
        damaged=0,
        seconds=2.5,
        few_shot=(
            FewShot(shots=1, draws=10, score=score(value - 0.25)),
            FewShot(shots=5, draws=10, score=score(value - 0.125)),
        ),
        fine_tuned=(FineTuned(share=0.125, images=250, steps=300, score=score(value - 0.0625)),),
        calibration=Calibration(ece=0.125, ece_scaled=0.03125, temperature=1.5),
    )
