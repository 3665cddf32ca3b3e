"""Keys one at a time: what a key does is done before the next one is looked at.

Textual hands a key to whatever has the focus when it arrives, and a binding is obeyed some messages later.
Over a slow link keys come in bunches, and the letters typed after `/` would be taken for keys of the list. So
a key waits until the one before it has gone its way: through the widget that had the focus, its parents, and
the app, where bindings are obeyed.
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
"""Seconds that a key waits for the one before at most: something slow must not swallow the keyboard."""


class Keystrokes:
    """The queue of keys of an app; `deliver` is what Textual does with one."""

    def __init__(self, app: App[Any], deliver: Callable[[Key], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._waiting: asyncio.Queue[Key] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def put(self, key: Key) -> None:
        """Take a key; it is delivered after those before it."""
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
        """Wait until the key has gone up from `first` to the app, and a screen that it opened is there."""
        for pump in _upwards(first):
            await _round_trip(pump)
        opened: Any = self._app.screen  # textual does not say of what kind the event is
        await opened._mounted_event.wait()  # noqa: SLF001
        for pump in (opened, self._app):
            await _round_trip(pump)


def _upwards(first: MessagePump) -> Iterator[MessagePump]:
    """The way that a message bubbles."""
    pump: Any = first
    while pump is not None:
        yield pump
        pump = pump._parent  # noqa: SLF001


async def _round_trip(pump: MessagePump) -> None:
    """Wait until the messages that wait in `pump` now have been dealt with."""
    done = asyncio.Event()
    if pump.is_running and pump.call_later(done.set):
        await done.wait()
