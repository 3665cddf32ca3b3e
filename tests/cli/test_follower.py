"""Following a run whose log is long: it is read once, in parts, and every record is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from events import read_log

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.follower import Follower
from wmse_tui.cli.follow.signals import Signals
from wmse_tui.runs.directory import create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Exit, Notice, Record
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.state.folded_log import DigestWriter
from wmse_tui.runs.state.run import RunState


class Parts:
    """A display that stores what it is given."""

    def __init__(self) -> None:
        self.shown: list[tuple[tuple[Record, ...], bool]] = []

    def show(self, state: RunState, records: tuple[Record, ...], *, more: bool = False) -> None:
        self.shown.append((records, more))

    def message(self, text: str) -> None:
        raise AssertionError(text)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("digest", [False, True])
def test_a_long_log_is_shown_in_parts_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: bool
) -> None:
    run = create_run(tmp_path, "title: x\n", name="long")
    events: list[Event] = [Notice("info", "N", "x" * 900) for _ in range(100)]
    events.append(Exit(status="completed", step=0, epoch=0, seconds=1.0))
    lines = [encode(Record(1, seq, 1.0, 1, event)) for seq, event in enumerate(events, 1)]
    run.events.write_text("".join(f"{line}\n" for line in lines))
    if digest:
        DigestWriter(lambda: run).update(last=True)
    poll = EventReader.poll
    monkeypatch.setattr(EventReader, "poll", lambda reader: poll(reader, block=20_000))
    display = Parts()
    with Signals() as signals:
        followed = Follower(run, display, stops=False).follow(signals)
    assert followed.code is ExitCode.COMPLETED
    assert tuple(record for records, _ in display.shown for record in records) == read_log(run.events)
    assert max(len(records) for records, _ in display.shown) <= 25
    assert [more for _, more in display.shown] == [True] * (len(display.shown) - 1) + [False]
