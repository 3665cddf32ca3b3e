"""Downloads against a server that cuts, forgets, refuses and sends something else."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.engine.data import download
from wmse_tui.engine.data.download import damage, fetch
from wmse_tui.engine.errors import DataError

BODY = b"\x1f\x8b" + bytes(range(256)) * 8000  # 2 MB


def quiet(_name: str, _done: float, _total: float, _unit: str) -> None:
    pass


def test_a_whole_file_arrives_under_its_name_alone(server: Any, tmp_path: Path) -> None:
    remote, _ = server.publish("set.tar.gz", BODY)
    reports: list[tuple[str, float, float, str]] = []
    path = fetch(remote, tmp_path, progress=lambda *event: reports.append(event))
    assert path.read_bytes() == BODY
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.tar.gz"]
    assert ("fetching set.tar.gz", len(BODY), len(BODY), "bytes") in reports
    assert [reports[0], reports[-1]] == [
        ("fetching set.tar.gz", 0, len(BODY), "bytes"),
        ("checking set.tar.gz", len(BODY), len(BODY), "bytes"),
    ]


def test_a_cut_connection_is_continued_where_it_broke(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.cuts = [300_000, 700_000, 5]
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY
    assert page.requested == [None, "bytes=300000-", "bytes=1000000-", "bytes=1000005-"]


def test_a_server_without_ranges_begins_again(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.cuts, page.ranges = [300_000], False
    reports: list[float] = []
    path = fetch(remote, tmp_path, progress=lambda _name, done, _total, _unit: reports.append(done))
    assert path.read_bytes() == BODY
    assert page.requested == [None, "bytes=300000-"]
    assert 300_000 in reports[: reports.index(0, 1)]  # reported before the pause, and before it began again


def test_the_part_of_an_earlier_attempt_is_continued(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz.part").write_bytes(BODY[:1234])
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY
    assert page.requested == ["bytes=1234-"]
    assert not (tmp_path / "set.tar.gz.part").exists()


def test_a_complete_part_is_only_checked_and_renamed(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz.part").write_bytes(BODY)
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY
    assert page.requested == []


@pytest.mark.parametrize(
    "left", [BODY[:10] + b"x" * 1000, b"x" * len(BODY), BODY + b"tail"], ids=["short", "full", "long"]
)
def test_a_wrong_partial_file_is_discarded(server: Any, tmp_path: Path, left: bytes) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz.part").write_bytes(left)
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY
    assert page.requested[-1] is None


def test_a_range_that_the_server_does_not_have_means_begin_again(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz.part").write_bytes(BODY[:1234])
    page.failures = [416]
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY
    assert page.requested == ["bytes=1234-", None]


def test_another_range_than_requested_is_not_mixed_in(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz.part").write_bytes(BODY[:1234])
    page.shift = 7
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY
    assert page.requested == ["bytes=1234-", None]


def test_a_busy_server_is_retried(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.failures = [503, 429]
    assert fetch(remote, tmp_path, progress=quiet).read_bytes() == BODY


def test_a_connection_that_always_breaks_leaves_the_partial_file(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.ranges, page.cuts = False, [100_000] * 20
    with pytest.raises(DataError) as caught:
        fetch(remote, tmp_path, progress=quiet)
    assert caught.value.title == "the download of set.tar.gz stopped"
    assert caught.value.detail.endswith("the connection was closed after 100 kB of 2.0 MB")
    assert caught.value.next[0] == f"start again: it continues from {tmp_path}/set.tar.gz.part"
    assert (tmp_path / "set.tar.gz.part").read_bytes() == BODY[:100_000]
    assert len(page.requested) == 4


def test_a_stalled_connection_is_closed_and_resumed(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 1.0)
    remote, page = server.publish("set.tar.gz", BODY)
    page.cuts, page.stalls = [600_000], True
    reports: list[float] = []
    path = fetch(remote, tmp_path, progress=lambda _name, done, _total, _unit: reports.append(done))
    assert path.read_bytes() == BODY
    first, second = page.requested
    assert first is None
    reached = int(second.removeprefix("bytes=").rstrip("-"))
    assert 0 < reached <= 600_000  # the range of an unfinished read is requested again
    assert reports.count(reached) >= 2  # reported before the pause, and where it continues


def test_a_stop_request_during_a_download_leaves_the_part(server: Any, tmp_path: Path) -> None:
    remote, _ = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz.part").write_bytes(BODY[:1234])

    def stop(_name: str, _done: float, _total: float, _unit: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote, tmp_path, progress=stop)
    assert (tmp_path / "set.tar.gz.part").read_bytes() == BODY[:1234]
    assert not (tmp_path / "set.tar.gz").exists()


def test_a_missing_page_is_an_error_with_the_manual_steps(server: Any, tmp_path: Path) -> None:
    remote, _ = server.publish("set.tar.gz", BODY)
    server.pages.clear()
    with pytest.raises(DataError) as caught:
        fetch(remote, tmp_path, progress=quiet)
    assert caught.value.title == "the server refuses set.tar.gz"
    assert caught.value.detail == f"{remote.url}: 404 Not Found"
    assert caught.value.next[1] == (
        f"or fetch {remote.url} yourself and put it at {tmp_path}/set.tar.gz "
        f"(2,048,002 bytes, md5 {remote.md5})"
    )
    assert not list(tmp_path.iterdir())


def test_an_html_page_is_recognised_before_it_is_stored(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.body = b"<!DOCTYPE html>\n<title>Sign in</title>\n".ljust(2431)
    with pytest.raises(DataError) as caught:
        fetch(remote, tmp_path, progress=quiet)
    assert caught.value.title == "the server sent something else than set.tar.gz"
    assert caught.value.detail == (
        f"{remote.url}: got 2,431 bytes that begin with <!DOCTYPE html>; "
        f"expected 2,048,002 bytes, md5 {remote.md5}"
    )
    assert not list(tmp_path.iterdir())


def test_what_a_server_sends_instead_cannot_steer_a_terminal(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.body = b"\x1b]52;c;AAAA\x07 hello"
    with pytest.raises(DataError, match=r"18 bytes that begin with \?\]52;c;AAAA\? hello"):
        fetch(remote, tmp_path, progress=quiet)


def test_another_size_is_refused_before_it_is_fetched(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.body = BODY + b"more"
    with pytest.raises(DataError) as caught:
        fetch(remote, tmp_path, progress=quiet)
    assert caught.value.title == "the server offers another set.tar.gz"
    assert "2,048,006 bytes; expected 2,048,002 bytes" in caught.value.detail
    assert not list(tmp_path.iterdir())


def test_a_wrong_checksum_leaves_nothing_behind(server: Any, tmp_path: Path) -> None:
    remote, page = server.publish("set.tar.gz", BODY)
    page.body = BODY[:-1] + b"!"
    with pytest.raises(DataError) as caught:
        fetch(remote, tmp_path, progress=quiet)
    assert caught.value.title == "set.tar.gz is not what was published"
    assert "got md5 " in caught.value.detail
    assert f"expected 2,048,002 bytes, md5 {remote.md5}; the copy has been removed" in caught.value.detail
    assert not list(tmp_path.iterdir())


def test_without_network_the_error_names_the_file_and_its_folder(tmp_path: Path, server: Any) -> None:
    remote, _ = server.publish("set.tar.gz", BODY)
    with socket.socket() as taken:  # bound, and no process listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        remote = dataclasses.replace(remote, url=f"http://127.0.0.1:{port}/set.tar.gz")
        with pytest.raises(DataError) as caught:
            fetch(remote, tmp_path, progress=quiet)
    assert caught.value.title == "cannot fetch set.tar.gz"
    assert caught.value.detail == f"no connection to 127.0.0.1:{port}: Connection refused"
    assert caught.value.next[1] == (
        f"or fetch {remote.url} yourself and put it at {tmp_path}/set.tar.gz "
        f"(2,048,002 bytes, md5 {remote.md5})"
    )


def test_a_link_in_place_of_the_part_is_not_written_through(server: Any, tmp_path: Path) -> None:
    remote, _ = server.publish("set.tar.gz", BODY)
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "set.tar.gz.part").symlink_to(victim)
    with pytest.raises(DataError, match="cannot store the download"):
        fetch(remote, tmp_path, progress=quiet)
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (BODY, None),
        (BODY[:-1] + b"!", "got md5 "),
        (BODY[:-1], "got 2,048,001 bytes"),
        (b"<!DOCTYPE html>\n".ljust(2431), "got 2,431 bytes that begin with <!DOCTYPE html>"),
        (b"", "got 0 bytes that begin with nothing"),
    ],
    ids=["whole", "other", "short", "page", "empty"],
)
def test_damage_names_what_was_found_instead(
    server: Any, tmp_path: Path, body: bytes, found: str | None
) -> None:
    remote, _ = server.publish("set.tar.gz", BODY)
    (tmp_path / "set.tar.gz").write_bytes(body)
    problem = damage(tmp_path / "set.tar.gz", remote, quiet)
    assert problem is None if found is None else problem is not None and problem.startswith(found)
