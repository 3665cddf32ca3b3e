"""How the list of runs looks, at the sizes and in the looks that it is made for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from wmse_tui.runs.state.status import STATUSES
from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.feed import CatalogueChanged, Feed

NOW = 1_772_366_400.0 + 3 * 3600  # what the shared fixtures take the time to be
LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"theme": "dark"},
    "light": {"theme": "light"},
    "terminal": {"theme": "terminal"},
    "ascii": {"ascii": True},
}


def rows() -> tuple[RunRow, ...]:
    """A run of each state, with everything that a run can have."""
    return tuple(
        RunRow(
            run_id=f"cifar10-wmse4-20260301-{120000 - 100 * place}",
            path=f"/data/runs/cifar10-wmse4-20260301-{120000 - 100 * place}",
            status=state,
            status_reason="process 77 ended without an exit event" if state == "crashed" else "",
            title="W-MSE 4 on CIFAR-10, [bold]ResNet-18",
            preset="cifar10-wmse4",
            method="w_mse" if place % 3 else "barlow_twins",
            dataset="cifar10",
            seed=place,
            host="gpu-a",
            device="NVIDIA H100",
            epoch=40 * place,
            epochs=1000,
            step=7800 * place,
            loss=None if state == "new" else 0.4 + 0.1 * place,
            sparkline=() if state == "new" else tuple(2 / (1 + step / 3) for step in range(2 * place)),
            final_knn=0.7 + place / 100 if place > 1 else None,
            final_linear=0.8 + place / 100 if place > 2 else None,
            verdict="rank falling" if state == "diverged" else "healthy",
            started=None if state == "new" else NOW - 7000.0 * place,
            tags=("baseline", "paper") if place % 4 == 0 else (),
            note="eps halved, see the notebook of March" if place == 4 else "",
        )
        for place, state in enumerate(STATUSES)
    )


@pytest.mark.parametrize(
    ("size", "look"),
    [*(((120, 40), look) for look in LOOKS), ((80, 24), "dark")],
    ids=lambda value: value if isinstance(value, str) else "{}x{}".format(*value),
)
def test_the_list_matches_its_snapshot(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., WmseApp],
    still: None,
    monkeypatch: pytest.MonkeyPatch,
    look: str,
    size: tuple[int, int],
) -> None:
    monkeypatch.setattr(Feed, "watch_list", lambda *_, **__: None)  # the list is given by hand
    app = make_app(**LOOKS[look])

    async def fill(pilot: Pilot[Any]) -> None:
        await pilot.press("3")
        app.screen.post_message(CatalogueChanged(rows(), 0))
        await pilot.pause()
        await pilot.press("j", "j", "space", "j")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=fill)
