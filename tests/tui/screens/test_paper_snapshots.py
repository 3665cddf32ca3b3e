"""How the published table looks, at the sizes and in the looks that it is made for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.screens.paper import PaperScreen
from wmse_tui.tui.widgets.paper.grid import PaperGrid

LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"theme": "dark"},
    "light": {"theme": "light"},
    "terminal": {"theme": "terminal"},
    "ascii": {"ascii": True},
}
WHOLE = ("schedule.epochs=1000",)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_the_table_looks_as_it_did(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., WmseApp],
    make_run: Callable[..., RunDirectory],
    until: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    look: str,
    size: tuple[int, int],
) -> None:
    make_run("stl10-a", preset="stl10", overrides=("schedule.epochs=2000",))
    make_run("stl10-b", "stopped", preset="stl10", overrides=("schedule.epochs=2000", "seed=1"))
    make_run("stl10-short", preset="stl10", overrides=("schedule.epochs=200", "optimizer.lr=1e-3"))
    make_run("byol", "stopped", preset="cifar10-byol", overrides=WHOLE)
    app = make_app(screen="paper", **LOOKS[look])

    async def fill(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, PaperScreen)
        grid = screen.query_one(PaperGrid)
        await until(pilot, lambda: grid.table.rows)
        await until(pilot, lambda: grid.table.cells[0][2].n == 1 and grid.table.cells[3][0].partial)  # type: ignore[union-attr]
        await until(
            pilot, lambda: not screen._tabling and not screen.query_one("#paper-table").border_subtitle
        )
        await pilot.press("l", "l")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=fill)
