"""The hand-made runs are what they say they are, and the shared app shows a screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.tui.app import WmseApp


def test_hand_made_runs_are_in_their_states(every_state: dict[str, RunDirectory]) -> None:
    assert {state: view_run(run).status for state, run in every_state.items()} == {s: s for s in every_state}


def test_hand_made_runs_are_sorted_by_age(every_state: dict[str, RunDirectory]) -> None:
    root = every_state["new"].path.parent
    assert [run.id for run in list_runs(root)] == [run.id for run in every_state.values()]


@pytest.mark.asyncio
async def test_the_shared_app_shows_a_screen(
    make_app: Callable[..., WmseApp], screen_text: Callable[[WmseApp], str]
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "wmse-tui" in screen_text(app)
        assert app.current_mode == "configure"
