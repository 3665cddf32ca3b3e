"""Delivers keys one at a time: a key is handled completely before the next one is delivered.

Textual sends a key to the widget that has the focus when it arrives, and runs a binding some messages later.
Over a slow link several keys arrive at once, and the letters typed after `/` would be treated as keys of the
list. So a key waits until the previous one has passed through the focused widget, its parents and the app,
where bindings are run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from textual.app import App
from textual.events import Key
from textual.message_pump import MessagePump

LONGEST = 0.4
"""The longest wait for the previous key, in seconds: a slow action must not block the keyboard."""


class Keystrokes:
    """The queue of keys of an app; `deliver` is Textual's handler of a key."""

    def __init__(self, app: App[Any], deliver: Callable[[Key], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._waiting: asyncio.Queue[Key] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def put(self, key: Key) -> None:
        """Queue a key."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        self._waiting.put_nowait(key)

    async def _work(self) -> None:
        while not self._waiting.empty():
            key = self._waiting.get_nowait()
            screen, focused = self._app.screen, self._app.focused
            await self._deliver(key)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._settle(focused or screen), LONGEST)

    async def _settle(self, first: MessagePump) -> None:
        """Wait until the key has bubbled from `first` to the app, and a screen that it opened is mounted."""
        for pump in _upwards(first):
            await _round_trip(pump)
        opened: Any = self._app.screen  # the type of the event is not declared
        await opened._mounted_event.wait()  # noqa: SLF001
        for pump in (opened, self._app):
            await _round_trip(pump)


def _upwards(first: MessagePump) -> Iterator[MessagePump]:
    """The message pumps through which a message bubbles, in order."""
    pump: Any = first
    while pump is not None:
        yield pump
        pump = pump._parent  # noqa: SLF001


async def _round_trip(pump: MessagePump) -> None:
    """Wait until all messages that are queued in `pump` now have been handled."""
    done = asyncio.Event()
    if pump.is_running and pump.call_later(done.set):
        await done.wait()
