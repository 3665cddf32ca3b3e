"""Runs by sets: the best of each set, and what is no worse than chance explains."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_transfer import transfer_result

from wmse_tui.runs.state.transfer_results import SavedTransfer, TransferResult
from wmse_tui.runs.table.transfer_table import TransferColumn, column_title, transfer_table


def columns(*runs: tuple[TransferResult, ...]) -> tuple[TransferColumn, ...]:
    return transfer_table([[SavedTransfer(one, "final.pt", "now") for one in results] for results in runs])


def ranks(column: TransferColumn) -> list[str | None]:
    return [None if cell is None else cell.rank for cell in column.cells]


def test_a_tie_is_within_the_intervals_that_point_to_each_other() -> None:
    """Both halves are 1/32, so differences up to sqrt(2) / 32 = 0.0442 are ties."""
    values = (0.75, 0.75 - 0.0441, 0.75 - 0.0443, 0.5)
    (column,) = columns(*((transfer_result("patterns", value),) for value in values))
    assert ranks(column) == ["best", "tie", "", ""]


def test_equal_runs_are_all_the_best_and_one_alone_is_none() -> None:
    first, second = columns((transfer_result("a"), transfer_result("b")), (transfer_result("a"),))
    assert ranks(first) == ["best", "best"]
    assert ranks(second) == ["", None]


@pytest.mark.parametrize(
    "change", [{"test_split": "test (12)"}, {"classes": 3}, {"metric": "mean_per_class"}]
)
def test_results_of_other_images_are_not_compared(change: dict[str, object]) -> None:
    other = replace(transfer_result("/plants", 0.25), **change)  # type: ignore[arg-type]
    (column,) = columns((transfer_result("/plants", 0.75),), (other,))
    assert not column.same_images
    assert ranks(column) == ["", ""]


def test_a_star_marks_a_mean_per_class() -> None:
    (column,) = columns((replace(transfer_result("pets"), metric="mean_per_class"),))
    assert column_title(column) == "Pets *"
