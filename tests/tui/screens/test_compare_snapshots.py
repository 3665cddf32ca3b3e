"""How the comparison of runs looks, at the sizes and in the looks that it is made for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.screens.compare import CompareScreen

LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"theme": "dark"},
    "light": {"theme": "light"},
    "terminal": {"theme": "terminal"},
    "ascii": {"ascii": True},
}


@pytest.mark.parametrize(
    ("size", "look"),
    [*(((120, 40), look) for look in LOOKS), ((80, 24), "dark")],
    ids=lambda value: value if isinstance(value, str) else "{}x{}".format(*value),
)
def test_the_comparison_matches_its_snapshot(
    snap_compare: Callable[..., bool],
    make_app: Callable[..., WmseApp],
    make_run: Callable[..., RunDirectory],
    until: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    look: str,
    size: tuple[int, int],
) -> None:
    app = make_app(screen="compare", **LOOKS[look])
    app.services.selection.marked = (
        make_run("w-mse-seed-0"),
        make_run("w-mse-seed-1", overrides=("seed=1",)),
        make_run("simclr", "stopped", overrides=("method={name: simclr}",)),
        make_run("lr-1e-4", "running", overrides=("optimizer.lr=1e-4", "seed=3")),
    )

    async def fill(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await until(pilot, lambda: screen.loaded)
        await pilot.press("v", "down", "enter", "j")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=fill)
