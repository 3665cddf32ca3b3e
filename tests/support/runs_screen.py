"""What a test reads from the Runs screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from wmse_tui.tui.app import WmseApp
from wmse_tui.tui.widgets.runs.run_table import RunTable

DAY = 86400.0


def table(app: WmseApp) -> RunTable:
    """The list."""
    return app.screen.query_one(RunTable)


def current(app: WmseApp) -> str:
    """The id of the run under the cursor."""
    row = table(app).current
    return row.run_id if row is not None else ""


def status(app: WmseApp) -> str:
    """The status of the run under the cursor."""
    row = table(app).current
    return row.status if row is not None else ""


def listed(app: WmseApp) -> list[str]:
    """The ids on the list, in order."""
    return [row.run_id for row in table(app).rows]


def messages(app: WmseApp) -> str:
    """All messages in the corner, each with its title."""
    return "\n".join(f"{message.title}|{message.message}" for message in app.messages)


async def press(pilot: Pilot[Any], name: str) -> None:
    """Press the key of the binding with this id; fails where no key leads to it."""
    keys = [key for key, active in pilot.app.screen.active_bindings.items() if active.binding.id == name]
    assert keys, f"no key leads to {name}"
    await pilot.press(keys[0])


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
