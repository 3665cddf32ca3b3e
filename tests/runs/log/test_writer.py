"""The log writer: whole lines, one numbering, and no disk trouble that reaches the trainer."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from threading import Thread

import pytest
from events import read_log
from hypothesis import given, settings
from hypothesis import strategies as st

from wmse_tui.runs.errors import EventError, NewerVersion, StorageError
from wmse_tui.runs.log.events import Exit, Notice, Phase, Record, Steps
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.log.writer import EventWriter

GOLDEN = Path(__file__).parents[1] / "data" / "events-v1.jsonl"

FULL_DISK = """
import json, os, resource, sys
from pathlib import Path
from wmse_tui.runs.log.events import Steps
from wmse_tui.runs.log.writer import EventWriter

path, room = Path(sys.argv[1]), int(sys.argv[2])
writer = EventWriter(path)
writer.begin_attempt()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))  # a write beyond `room` bytes is cut or refused
errors = []
for step in range(1, 101):
    writer.write(Steps(step, (1 / step,)))
    errors.append(writer.error is not None)
full = path.read_bytes()
synced = writer.sync()
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
writer.write(Steps(101, (0.5,)))
print(json.dumps({
    "began": errors.index(True), "recovered_early": False in errors[errors.index(True):],
    "whole": full.endswith(b"\\n"), "size": len(full), "synced": synced,
    "error": str(writer.error), "synced_after": writer.sync(),
}))
"""


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_events_are_numbered_without_a_gap_and_attempts_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        assert log.begin_attempt() == 1
        log.write(Phase("start"))
        log.write(Phase("train"))
    with EventWriter(path) as log:
        assert log.begin_attempt() == 2
        log.write(Phase("start"))
        assert log.sync()
        assert log.error is None
    assert [(line["seq"], line["attempt"]) for line in lines(path)] == [(1, 1), (2, 1), (3, 2)]


def test_an_event_is_on_file_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        log.write(Phase("start"))
        assert [line["name"] for line in lines(path)] == ["start"]


def test_a_log_that_exists_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(GOLDEN.read_bytes())
    before = path.read_bytes()
    with EventWriter(path) as log:
        assert log.begin_attempt() == 4
        log.write(Phase("start"))
    assert path.read_bytes().startswith(before)
    assert lines(path)[-1]["seq"] == len(before.splitlines()) + 1


def test_after_a_torn_tail_at_any_byte_no_whole_line_is_lost(tmp_path: Path) -> None:
    content = GOLDEN.read_bytes()[:1500]
    path = tmp_path / "events.jsonl"
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        with EventWriter(path) as log:
            log.write(Notice("info", "N", "after"))
        whole = content[:size].rpartition(b"\n")[0].splitlines()
        written = path.read_bytes().splitlines()
        assert written[:-1] == whole
        assert json.loads(written[-1])["seq"] == len(whole) + 1


def test_a_last_line_longer_than_a_block_is_found(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        log.begin_attempt()
        log.write(Phase("x", detail="a" * 200_000))
    with path.open("ab") as file:
        file.write(b'{"torn": "' + b"b" * 150_000)
    with EventWriter(path) as log:
        assert (log.seq, log.attempt) == (1, 1)
    assert len(lines(path)) == 1


def test_lines_that_are_no_events_do_not_reset_the_numbering(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        log.begin_attempt()
        log.write(Phase("start"))
    with path.open("ab") as file:
        file.write(b"\0" * 100 + b"\ngarbage\n")
    with EventWriter(path) as log:
        assert (log.seq, log.attempt) == (1, 1)


def test_a_log_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"v":2,"seq":1}\n')
    with pytest.raises(NewerVersion):
        EventWriter(path)
    assert path.read_text() == '{"v":2,"seq":1}\n'


def test_opening_raises_with_the_place_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        EventWriter(tmp_path / "nowhere" / "events.jsonl")
    assert str(caught.value) == (
        f"cannot open the run's log: {tmp_path}/nowhere/events.jsonl: No such file or directory"
    )


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    log = EventWriter(tmp_path / "events.jsonl")
    log.close()
    log.close()
    assert not log.sync()
    with pytest.raises(StorageError, match="was closed"):
        log.write(Phase("late"))


def test_an_event_that_no_line_can_hold_is_refused_at_once(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "events.jsonl") as log:
        with pytest.raises(EventError, match=r"Exit\.seconds"):
            log.write(Exit(status="failed", step=1, epoch=0, seconds=float("nan")))
        log.write(Phase("on"))
    assert [line["seq"] for line in lines(tmp_path / "events.jsonl")] == [1]


def test_a_full_disk_costs_nothing_once_there_is_room_again(
    tmp_path: Path, spawn: Callable[..., Popen[str]]
) -> None:
    path = tmp_path / "events.jsonl"
    output, _ = spawn(FULL_DISK, path, 2500).communicate(timeout=60)
    report = json.loads(output)
    assert 0 < report["began"] < 40
    assert not report["recovered_early"]
    assert report["whole"], "a line was left half on the file"
    assert report["size"] <= 2500
    assert not report["synced"]
    assert report["error"] == "None"
    assert report["synced_after"]
    records = read_log(path)
    assert [record.seq for record in records] == list(range(1, 102))
    firsts = [record.event.first for record in records if isinstance(record.event, Steps)]
    assert firsts == list(range(1, 102))


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_writes_fail_the_log_is_whole_and_in_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each write may be refused, cut short or taken, and each cut may fail: a reader never sees nonsense."""
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    really_write, really_cut = os.write, os.ftruncate

    def write(descriptor: int, content: bytes) -> int:
        fate = data.draw(st.sampled_from(("whole", "whole", "cut", "refused")))
        if fate == "refused":
            raise OSError(errno.ENOSPC, "No space left on device")
        return really_write(descriptor, content[: len(content) // 2] if fate == "cut" else content)

    def cut(descriptor: int, size: int) -> None:
        if data.draw(st.booleans()):
            raise OSError(errno.EIO, "Input/output error")
        really_cut(descriptor, size)

    log = EventWriter(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wmse_tui.runs.log.writer.os.write", write)
        patch.setattr("wmse_tui.runs.log.writer.os.ftruncate", cut)
        reader = EventReader(path)
        seen = list[Record]()
        for step in range(1, 15):
            log.write(Steps(step, (float(step),)))
            seen += reader.poll()
            assert [record.seq for record in seen] == list(range(1, len(seen) + 1))
    log.write(Steps(15, (15.0,)))
    log.close()
    seen += reader.poll()
    assert [r.event.first for r in seen if isinstance(r.event, Steps)] == list(range(1, 16))
    assert reader.unreadable == 0


def test_when_too_much_waits_progress_is_dropped_first_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = EventWriter(tmp_path / "events.jsonl", waiting=3)
    with monkeypatch.context() as patch:
        patch.setattr("wmse_tui.runs.log.writer.os.write", refuse)
        log.write(Notice("warning", "W", "retained"))
        for step in range(1, 6):
            log.write(Steps(step, (1.0,)))
        assert log.error is not None
        assert log.error.errno == errno.ENOSPC
    assert log.dropped == 3
    log.close()
    written = lines(tmp_path / "events.jsonl")
    assert [(line["seq"], line.get("first")) for line in written] == [(1, None), (2, 4), (3, 5)]


def test_threads_share_one_numbering(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:

        def work() -> None:
            for _ in range(200):
                log.write(Phase("x"))

        threads = [Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [line["seq"] for line in lines(path)] == list(range(1, 801))


@pytest.mark.usefixtures("no_umask")
def test_the_log_is_private(tmp_path: Path) -> None:
    EventWriter(tmp_path / "events.jsonl").close()
    assert (tmp_path / "events.jsonl").stat().st_mode & 0o777 == 0o600
