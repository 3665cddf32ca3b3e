"""The app on run directories that another user has prepared: every name in one, as every kind of file.

Whatever a directory holds, each panel of Monitor and Compare end their reading in time and in little memory,
and nothing outside of the directory changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prepared_runs import KINDS, NAMES, bounded, outside_of_runs, prepare_run, snapshot

from wmse_tui.runs.directory import FOLDERS, RunDirectory
from wmse_tui.tui.app import WmseApp

pytestmark = pytest.mark.asyncio

GROUPS = (
    ("config.yaml",),
    ("events.jsonl",),
    FOLDERS,
    tuple(name for name in NAMES if name not in ("config.yaml", "events.jsonl", *FOLDERS)),
)
"""The names in a run, together where one does not hide another from its reader."""
PANELS = ("map", "output", "evaluations", "config", "log", "plots")
"""The panels of Monitor that read a file of the run themselves, and the first one."""


@pytest.mark.parametrize("kind", KINDS)
async def test_every_panel_ends_in_time_and_touches_nothing(
    kind: str,
    make_app: Callable[..., WmseApp],
    make_run: Callable[..., RunDirectory],
    act: Callable[..., Awaitable[None]],
    until: Callable[..., Awaitable[None]],
    screen_text: Callable[[WmseApp], str],
    tmp_path: Path,
) -> None:
    outside = outside_of_runs(tmp_path)
    runs = [
        prepare_run(make_run(f"run{number}"), kind, outside, *names) for number, names in enumerate(GROUPS)
    ]
    before = snapshot(outside)
    app = make_app()
    with bounded(60, memory=2**30):  # threads reserve address space
        async with app.run_test(size=(120, 40)) as pilot:

            async def shown(text: str) -> None:
                await until(pilot, lambda: text in screen_text(app))

            await app.open_compare(runs)
            await shown(runs[0].id)
            for run in runs:
                await app.action_go("compare")
                await app.open_run(run)
                await shown(run.id)
                await act(pilot, *(f"pane-{panel}" for panel in PANELS))
                await shown(run.id)
            assert app.is_running
    assert snapshot(outside) == before
