"""Snapshots of Configure: sizes, themes, problems, cost, and views."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from textual.pilot import Pilot

from wmse_tui.runs import preflight
from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.charts.image_display import ImageDisplay
from wmse_tui.tui.inspector import Inspected
from wmse_tui.tui.screens.configure import ConfigureScreen
from wmse_tui.tui.widgets.configure import preset_library
from wmse_tui.tui.widgets.configure.sections import SectionPanel
from wmse_tui.tui.widgets.form.form import Form

MakeApp = Callable[..., WmseApp]
Snap = Callable[..., bool]
Until = Callable[..., Awaitable[None]]
Then = Callable[[Pilot[Any], ConfigureScreen], Awaitable[None]]

LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"theme": "dark"},
    "light": {"theme": "light"},
    "terminal": {"theme": "terminal"},
    "ascii": {"theme": "dark", "ascii": True},
}
PRESETS = """
    cifar10 cifar10-barlow_twins cifar10-byol cifar10-cwrgp2 cifar10-cwrgp4 cifar10-intl
    cifar10-s2r2 cifar10-shuffled_dbn cifar10-simclr cifar10-simsiam cifar10-vibcreg cifar10-vicreg
    cifar10-wmse4 cifar10-zero_icl cifar100 cifar100-barlow_twins cifar100-byol cifar100-cwrgp2
    cifar100-cwrgp4 cifar100-intl cifar100-simclr cifar100-simsiam cifar100-vibcreg cifar100-vicreg
    cifar100-wmse4 imagenet100 imagenet100-wmse4 quickstart stl10 stl10-byol stl10-cwrgp2
    stl10-cwrgp4 stl10-simclr stl10-wmse4 tiny_imagenet tiny_imagenet-byol tiny_imagenet-cwrgp2
    tiny_imagenet-cwrgp4 tiny_imagenet-simclr tiny_imagenet-wmse4
"""


@pytest.fixture(autouse=True)
def _same_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixed set of presets, so that a new one changes no snapshot."""
    monkeypatch.setattr(preset_library, "preset_names", PRESETS.split)


@pytest.fixture(autouse=True)
def _same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is as full and a CPU that has as many cores on every machine."""
    monkeypatch.setattr(preflight, "available_cores", lambda: 2)
    usage = SimpleNamespace(total=10**12, used=688 * 10**9, free=312 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


@pytest.fixture
def compare(snap_compare: Snap, make_app: MakeApp) -> Callable[..., bool]:
    """Compares the screen, after `then`, with its snapshot."""

    def run(size: tuple[int, int], then: Then | None = None, **settings: Any) -> bool:
        async def ready(pilot: Pilot[Any]) -> None:
            screen = pilot.app.screen
            assert isinstance(screen, ConfigureScreen)
            for step in (None, then):
                if step is not None:
                    await step(pilot, screen)
                await pilot.pause()
                await pilot.app.workers.wait_for_complete()
                await pilot.pause()

        return snap_compare(make_app(**settings), terminal_size=size, run_before=ready)

    return run


async def narrow_whitening(pilot: Pilot[Any], screen: ConfigureScreen) -> None:
    """Two changes, of which one is unwise and one wrong, with the cursor on the first."""
    screen.library.edit("projector.dim", "60")
    screen.library.edit("schedule.batch_size", "100")
    screen.redraw()
    screen.go_to("method.whitening_size")
    await pilot.pause()


@pytest.mark.parametrize("look", LOOKS)
def test_the_first_look(compare: Callable[..., bool], look: str) -> None:
    assert compare((120, 40), **LOOKS[look])


@pytest.mark.parametrize("look", LOOKS)
def test_the_first_look_on_a_small_terminal(compare: Callable[..., bool], look: str) -> None:
    assert compare((80, 24), **LOOKS[look])


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
def test_changes_and_problems(compare: Callable[..., bool], size: tuple[int, int]) -> None:
    assert compare(size, narrow_whitening)


def test_a_value_is_typed(compare: Callable[..., bool]) -> None:
    async def type_in(pilot: Pilot[Any], screen: ConfigureScreen) -> None:
        screen.go_to("augmentation.brightness")
        await pilot.pause()
        await pilot.press("enter", "2")

    assert compare((80, 24), type_in)


def test_an_unverified_number_in_colours_of_the_terminal(
    compare: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMSE_TUI_DATA", "/nowhere/data")

    async def choose(pilot: Pilot[Any], screen: ConfigureScreen) -> None:
        await pilot.press("slash", *"imagenet100", "enter")

    assert compare((80, 24), choose, theme="terminal")


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["80x24", "200x60"])
def test_cost_and_views(
    compare: Callable[..., bool], tmp_path: Path, until: Until, size: tuple[int, int]
) -> None:
    ramp = np.linspace(0, 255, 72)
    grid = np.stack(
        [np.add.outer(ramp, ramp) / 2, np.tile(ramp, (72, 1)), np.tile(ramp[:, None], (1, 72))], -1
    )
    Image.fromarray(grid.astype(np.uint8)).save(tmp_path / "grid.png")
    described = {
        "parameters": {"encoder": 74_640, "head": 25_376, "target": 0, "total": 100_016},
        "gflop_per_view": 0.0138,
        "memory": {"total": 384_000_000, "parts": []},
        "device": {"type": "cpu", "name": "CPU, 2 threads", "memory": 25_000_000_000},
        "notices": [],
    }
    drawn = {"path": str(tmp_path / "grid.png"), "rows": 3, "columns": 3, "source": "patterns", "why": ""}

    async def answered(pilot: Pilot[Any], screen: ConfigureScreen) -> None:
        requested: list[str] = []

        def request(kind: str, *_: Any, **__: Any) -> int:
            requested.append(kind)
            return len(requested)

        inspector = SimpleNamespace(request=request, close=lambda: None)
        screen.app._inspector = inspector  # type: ignore[attr-defined]
        await pilot.press("V")
        await until(pilot, lambda: requested)
        screen.post_message(Inspected(1, "views", drawn))
        await until(pilot, lambda: "▀" in screen.query_one(ImageDisplay).drawing.text)
        screen.query_one(SectionPanel).list.focus()
        await pilot.press("i")
        await pilot.pause()
        screen.post_message(Inspected(2, "describe", described))
        await pilot.pause()
        if size[0] > 80:
            screen.go_to("augmentation.crop_scale")
        assert screen.query_one(Form)

    assert compare(size, answered)
