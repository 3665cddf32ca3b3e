"""Whether work on several CUDA streams touches the same memory without an order between them.

A stream does its work in order; between streams there is order only where one waits for an event of another,
or where the host has waited and queues later work. Each piece of work gets a number within its stream, and
each stream a clock: up to which number of every stream all work is over when its own latest is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Clock = dict[int, int]
"""The number of the latest work that is over, of each stream."""


@dataclass(slots=True)
class Page:
    """Who touched a piece of memory last.

    Args:
        writer: stream and number of the latest work that wrote it.
        readers: of the work that has read it since, the latest number of each stream.
        names: of that work, by stream; the writer's is under -1.
    """

    writer: tuple[int, int] | None = None
    readers: Clock = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


class StreamOrder:
    """What is over when, and who has touched what.

    Attributes:
        races: pairs of work on one page without an order, as text; each pair of names once.
    """

    def __init__(self) -> None:
        self.races: list[str] = []
        self._streams: dict[int, Clock] = {}
        self._events: dict[int, Clock] = {}
        self._hosts: dict[str, Clock] = {}
        self._pages: dict[int, Page] = {}

    def queue(
        self, name: str, stream: int, *, reads: Iterable[int], writes: Iterable[int], host: str = "main"
    ) -> None:
        """Work on a stream, queued by a thread of the host, that touches pages of memory."""
        clock = self._streams.setdefault(stream, {})
        _merge(clock, self._hosts.get(host, {}))
        clock[stream] = clock.get(stream, 0) + 1
        written = set(writes)
        for number in written:
            page = self._pages.setdefault(number, Page())
            self._check(name, clock, page, readers=True)
            self._pages[number] = Page((stream, clock[stream]), names={-1: name})
        for number in set(reads) - written:
            page = self._pages.setdefault(number, Page())
            self._check(name, clock, page, readers=False)
            page.readers[stream] = clock[stream]
            page.names[stream] = name

    def touch(self, name: str, *, reads: Iterable[int], writes: Iterable[int], host: str = "main") -> None:
        """Work of the host itself, on pinned memory."""
        clock = self._hosts.get(host, {})
        written = set(writes)
        for number in written | set(reads):
            page = self._pages.get(number)
            if page is not None:
                self._check(name, clock, page, readers=number in written)

    def record(self, event: int, stream: int) -> None:
        """An event is over when the work queued on the stream so far is."""
        self._events[event] = dict(self._streams.get(stream, {}))

    def wait(self, stream: int, event: int) -> None:
        """Later work of a stream waits for an event."""
        _merge(self._streams.setdefault(stream, {}), self._events.get(event, {}))

    def over(self, event: int, *, host: str = "main") -> None:
        """The host has found that an event is over."""
        _merge(self._hosts.setdefault(host, {}), self._events.get(event, {}))

    def synchronise(self, stream: int | None, *, host: str = "main") -> None:
        """The host has waited for a stream; None: for all."""
        for clock in self._streams.values() if stream is None else [self._streams.get(stream, {})]:
            _merge(self._hosts.setdefault(host, {}), clock)

    def knowledge(self, host: str) -> Clock:
        """What a thread of the host knows to be over."""
        return dict(self._hosts.get(host, {}))

    def learn(self, host: str, known: Mapping[int, int]) -> None:
        """A thread learns what another one knew when it passed something on."""
        _merge(self._hosts.setdefault(host, {}), known)

    def _check(self, name: str, clock: Clock, page: Page, *, readers: bool) -> None:
        earlier = dict(page.readers) if readers else {}
        if page.writer is not None:
            self._compare(name, clock, *page.writer, f"{page.names[-1]} wrote")
        for stream, number in earlier.items():
            self._compare(name, clock, stream, number, f"{page.names[stream]} read")

    def _compare(self, name: str, clock: Clock, stream: int, number: int, earlier: str) -> None:
        if clock.get(stream, 0) < number:
            text = f"{name} uses what {earlier} on stream {stream}, without waiting for it"
            if text not in self.races:
                self.races.append(text)


def _merge(clock: Clock, other: Mapping[int, int]) -> None:
    for stream, number in other.items():
        clock[stream] = max(clock.get(stream, 0), number)
