"""Requests: in order, whole, answered once, and never a reason for the trainer to fail."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import ControlError, StorageError
from wmse_tui.runs.process.control import COMMANDS, claim, discard, pending, request


def test_requests_arrive_in_the_order_they_were_made(run: RunDirectory) -> None:
    ids = [request(run, command, by="test") for command in COMMANDS * 5]
    found = pending(run)
    assert [asked.id for asked in found] == ids
    assert [asked.command for asked in found] == list(COMMANDS) * 5
    assert {asked.by for asked in found} == {"test"}
    assert all(earlier.time <= later.time for earlier, later in pairwise(found))


def test_the_file_of_a_request_reads_as_documented(run: RunDirectory) -> None:
    name = request(run, "evaluate", "linear")
    values = json.loads((run.control / f"{name}.json").read_text())
    assert {**values, "time": 0} == {
        "id": name, "command": "evaluate", "argument": "linear", "by": "cli", "time": 0
    }  # fmt: skip
    assert [path.name for path in run.control.iterdir()] == [f"{name}.json"]


def test_a_request_is_taken_once(run: RunDirectory) -> None:
    request(run, "stop")
    (asked,) = pending(run)
    assert claim(run, asked)
    assert not claim(run, asked)
    assert pending(run) == ()


def test_an_unknown_command_is_refused_where_it_is_made(run: RunDirectory) -> None:
    with pytest.raises(ControlError) as caught:
        request(run, "explode")
    assert str(caught.value) == (
        "a trainer knows no command 'explode': "
        "it knows stop, stop_after_epoch, checkpoint, evaluate, pause, resume"
    )
    assert pending(run) == ()


def test_a_command_of_a_later_version_is_a_request_to_refuse(run: RunDirectory) -> None:
    (run.control / "7.json").write_text(
        '{"id": "x", "command": "anneal", "time": 5.5, "by": "app", "new": 1}'
    )
    (asked,) = pending(run)
    assert (asked.id, asked.command, asked.by, asked.time) == ("7", "anneal", "app", 5.5)
    assert asked.problem.startswith("no such command: 'anneal'; there are stop, ")
    assert claim(run, asked)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"command": 5}',
        b'{"command": "stop", "time": NaN}',
        b"\xff",
        b"[" * 60_000,
    ],
)
def test_an_unreadable_request_is_one_to_refuse(run: RunDirectory, content: bytes) -> None:
    (run.control / "1.json").write_bytes(content)
    (asked,) = pending(run)
    assert asked.id == "1"
    assert asked.problem.startswith("the request cannot be read (")
    assert claim(run, asked)
    assert pending(run) == ()


def test_a_huge_request_is_refused_unread(run: RunDirectory) -> None:
    (run.control / "1.json").write_bytes(b" " * 70_000)
    assert pending(run)[0].problem == "the file of the request is larger than 65536 bytes"


def test_an_id_inside_a_file_cannot_lead_to_another_file(run: RunDirectory) -> None:
    (run.control / "1.json").write_text('{"id": "../config", "command": "stop", "problem": "x"}')
    (asked,) = pending(run)
    assert (asked.id, asked.problem) == ("1", "")
    assert claim(run, asked)
    assert run.config.exists()


def test_what_is_no_request_file_is_passed_over(run: RunDirectory) -> None:
    (run.control / "folder.json").mkdir()
    (run.control / ".half.json").write_text("{}")
    (run.control / "notes.txt").write_text("{}")
    (run.control / "link.json").symlink_to(run.config)
    assert pending(run) == ()


def test_without_the_folder_there_are_no_requests_and_none_can_be_made(run: RunDirectory) -> None:
    run.control.rmdir()
    assert pending(run) == ()
    with pytest.raises(StorageError, match=r"cannot write a request to the run: .*: No such file"):
        request(run, "stop")


def test_old_requests_can_be_discarded(run: RunDirectory) -> None:
    ids = [request(run, "stop"), request(run, "pause")]
    assert [asked.id for asked in discard(run)] == ids
    assert pending(run) == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=100)
    | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode())
)
def test_any_content_is_a_request(run: RunDirectory, content: bytes) -> None:
    (run.control / "1.json").write_bytes(content)
    assert len(pending(run)) == 1
