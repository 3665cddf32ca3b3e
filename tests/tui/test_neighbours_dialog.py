"""The nearest neighbours of test images: shown where they are saved, found where they are not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from monitor_screen import messages, state_of
from PIL import Image

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.image_display import Pixels
from wmse_tui.tui.neighbours_dialog import NeighboursDialog, class_line, read_grid

MakeApp = Callable[..., WmseApp]
MakeRun = Callable[..., RunDirectory]
Act = Callable[..., Awaitable[None]]
Until = Callable[..., Awaitable[None]]
ScreenText = Callable[[WmseApp], str]


def about(rows: int = 4) -> dict[str, Any]:
    return {
        "v": 1,
        "file": "neighbours-00000020.png",
        "tile": 8,
        "epoch": 4,
        "step": 20,
        "checkpoint": "final.pt",
        "metric": "euclidean",
        "classes": [[f"cat-{row}", f"cat-{row}", "\x1b[2J[b]dog"] for row in range(rows)],
        "images": 60,
        "of": 100,
        "split": "test",
        "train_split": "train",
    }


def save(run: RunDirectory, size: tuple[int, int] = (24, 32)) -> None:
    Image.new("RGB", size, (200, 30, 30)).save(run.artifacts / "neighbours-00000020.png")
    (run.artifacts / "neighbours.json").write_text(json.dumps(about()))


def test_a_grid_has_a_strip_for_each_row_and_other_sizes_are_refused(make_run: MakeRun) -> None:
    run = make_run("small")
    assert read_grid(run) is None
    save(run)
    found = read_grid(run)
    assert found is not None
    assert (found.strip(3).width, found.strip(3).height) == (24, 8)
    assert found.strip(3).data == bytes((200, 30, 30)) * 24 * 8
    save(run, (24, 31))
    with pytest.raises(StorageError, match="cannot be shown"):
        read_grid(run)
    (run.artifacts / "neighbours-00000020.png").write_bytes(b"nonsense")
    with pytest.raises(StorageError, match="cannot be shown"):
        read_grid(run)


def test_a_class_is_below_its_image_and_a_wrong_one_has_a_mark() -> None:
    strip = Pixels(24, 8, bytes(24 * 8 * 3))
    assert class_line(("cat", "cat", "dog"), strip, 30, 4).plain == "   cat     cat     ! dog"
    assert class_line(("a long name", "", "x"), strip, 24, 4).plain == "a lo... !       ! x"
    assert "\x1b" not in class_line(("\x1b[2J", "a", "b"), strip, 60, 10).plain


@pytest.mark.asyncio
async def test_saved_neighbours_are_shown_and_missing_ones_are_found_in_a_process(
    make_app: MakeApp,
    make_run: MakeRun,
    act: Act,
    until: Until,
    screen_text: ScreenText,
    tmp_path: Path,
) -> None:
    run = make_run("small", "completed")
    ready = make_run("ready", "completed")
    save(ready)
    program = tmp_path / "engine"
    files = " && ".join(
        f"cp '{ready.artifacts / name}' '{run.artifacts / name}'"
        for name in ("neighbours-00000020.png", "neighbours.json")
    )
    program.write_text(f"#!/bin/sh\n{files}\necho '{{\"result\": {{}}}}'\n")
    program.chmod(0o755)
    app = make_app(run=run, evaluator=program)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: state_of(app).status == "completed")
        await act(pilot, "run-neighbours")
        await until(pilot, lambda: "The neighbours of small are found|K shows them." in messages(app))
        await act(pilot, "run-neighbours")
        await until(pilot, lambda: isinstance(app.screen, NeighboursDialog))
        await until(pilot, lambda: "1 to 3 of 4 test images" in screen_text(app))
        text = screen_text(app)
        assert "cat-0" in text
        assert "! \\x" in text
        assert "\x1b" not in text
        assert "nearest of 60 of 100 (train)" in text
        await pilot.press("j")
        await until(pilot, lambda: "2 to 4 of 4 test images" in screen_text(app))
        # Again, which fails: the reason is shown, and what was saved stays.
        program.write_text('#!/bin/sh\necho \'{"error": {"title": "no checkpoint"}}\'\nexit 1\n')
        await pilot.press("enter")
        await until(pilot, lambda: "no checkpoint" in messages(app))
        await act(pilot, "run-neighbours")
        await until(pilot, lambda: isinstance(app.screen, NeighboursDialog))
        await pilot.press("escape")
        assert not app.screen.is_modal


@pytest.mark.asyncio
async def test_while_a_run_trains_nothing_is_computed(
    make_app: MakeApp, make_run: MakeRun, act: Act, until: Until
) -> None:
    app = make_app(run=make_run("small", "running"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: state_of(app).status == "running")
        await act(pilot, "run-neighbours")
        await until(pilot, lambda: "Neighbours are computed when the run has ended" in messages(app))
