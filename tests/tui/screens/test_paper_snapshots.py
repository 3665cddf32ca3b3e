"""How the published table looks, at the sizes and in the looks that it is made for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.screens.paper import PaperScreen

LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"theme": "dark"},
    "light": {"theme": "light"},
    "terminal": {"theme": "terminal"},
    "ascii": {"ascii": True},
}
WHOLE = ("schedule.epochs=1000",)


@pytest.mark.parametrize(
    ("size", "look"),
    [*(((120, 40), look) for look in LOOKS), ((80, 24), "dark")],
    ids=lambda value: value if isinstance(value, str) else "{}x{}".format(*value),
)
def test_the_table_matches_its_snapshot(
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
        await until(pilot, lambda: screen.runs == 4)
        await pilot.press("l", "l")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=fill)
