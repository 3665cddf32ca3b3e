"""The cores that this process may use: by its mask, and where there is none."""

from __future__ import annotations

import os

import pytest

from wmse_tui.runs.process.cores import available_cores, cores_divided, own_cores


def test_the_affinity_mask_limits_them() -> None:
    mask = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mask)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, mask)


@pytest.mark.parametrize(("counted", "cores"), [(6, 6), (None, 1)])
def test_without_a_mask_all_that_are_counted_are_available(
    counted: int | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert available_cores() == cores


def test_ranks_divide_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    for ranks, cores in ((1, 6), (4, 1), (2, 3), (8, 1)):
        with cores_divided(ranks):
            assert (own_cores(), available_cores()) == (cores, 6)
    assert own_cores() == 6
