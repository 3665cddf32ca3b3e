"""The log reader: every prefix of a log is a prefix of the truth, however it grows, shrinks or is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from events import read_log
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.events import Phase, Record
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

GOLDEN = Path(__file__).parents[1] / "data" / "events-v1.jsonl"


def test_every_byte_prefix_of_a_log_folds_to_a_prefix_of_the_truth(tmp_path: Path) -> None:
    content = GOLDEN.read_bytes()
    truth = read_log(GOLDEN)
    views = [RunState()]
    for record in truth:
        views.append(fold(views[-1], [record]))
    path = tmp_path / "events.jsonl"
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        reader = EventReader(path)
        records = reader.poll()
        whole = content[:size].count(b"\n")
        assert records == truth[:whole]
        assert reader.unreadable == reader.missing == 0
        if size % 7 == 0:  # the fold of equal records is equal; looked at here and there
            assert fold(RunState(), records) == views[whole]


@given(cuts=st.lists(st.integers(0, len(GOLDEN.read_bytes())), max_size=12))
def test_a_log_that_grows_in_any_pieces_gives_each_record_once(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = GOLDEN.read_bytes()
    path = tmp_path_factory.mktemp("log") / "events.jsonl"
    reader = EventReader(path)
    seen = list(reader.poll())
    for cut in [*sorted(cuts), len(content)]:
        with path.open("ab") as file:
            file.write(content[path.stat().st_size : cut])
        seen += reader.poll()
    assert tuple(seen) == read_log(GOLDEN)
    assert reader.generation == 0


def test_small_blocks_give_the_same_records(tmp_path: Path) -> None:
    longest = max(map(len, GOLDEN.read_bytes().splitlines())) + 1
    reader = EventReader(GOLDEN)
    seen = list(reader.poll(block=longest))
    while reader.behind:
        seen += reader.poll(block=longest)
    assert tuple(seen) == read_log(GOLDEN)


def test_a_line_larger_than_a_block_is_passed_over_and_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        log.write(Phase("a"))
        log.write(Phase("b", detail="x" * 5000))
        log.write(Phase("c"))
    reader = EventReader(path, longest=512)
    names = [
        record.event.name for _ in range(20) for record in reader.poll() if isinstance(record.event, Phase)
    ]
    assert names == ["a", "c"]
    assert (reader.unreadable, reader.missing) == (1, 1)


def test_a_line_larger_than_the_first_reading_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        for name in "abc":
            log.write(Phase(name, detail="x" * (5000 if name == "b" else 5)))
    reader = EventReader(path)
    seen: list[Record] = []
    while not seen or reader.behind:
        seen += reader.poll(block=256)
        assert reader.behind == (reader.offset < reader.size)
    assert tuple(seen) == read_log(path)


def test_damaged_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    content = GOLDEN.read_bytes().splitlines(keepends=True)
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        b"".join([*content[:3], b"\0" * 40 + b"\n", b"{nonsense\n", b"\xff\xfe\n", *content[5:]])
    )
    reader = EventReader(path)
    assert [record.seq for record in reader.poll()] == [1, 2, 3, *range(6, len(content) + 1)]
    assert reader.unreadable == 3
    assert reader.missing == 2


def test_a_torn_line_that_is_taken_back_is_never_mixed_with_its_replacement(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventWriter(path) as log:
        log.write(Phase("first"))
    reader = EventReader(path)
    with path.open("ab") as file:
        file.write(b'{"v":1,"seq":2,"t":1,"att')
    assert len(reader.poll()) == 1
    with EventWriter(path) as log:  # repairs, then appends a line of another length
        log.write(Phase("second"))
    assert [record.event for record in reader.poll()] == [Phase("second")]
    assert (reader.unreadable, reader.generation) == (0, 0)


def test_a_log_that_is_replaced_or_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(GOLDEN.read_bytes())
    reader = EventReader(path)
    total = len(reader.poll())
    other = tmp_path / "other"
    other.write_bytes(GOLDEN.read_bytes())
    other.replace(path)
    assert len(reader.poll()) == total
    assert reader.generation == 1
    path.write_bytes(GOLDEN.read_bytes().splitlines(keepends=True)[0])
    assert len(reader.poll()) == 1
    assert reader.generation == 2


def test_no_log_yet_is_no_records_and_an_unreadable_one_is_an_error(tmp_path: Path) -> None:
    assert EventReader(tmp_path / "none.jsonl").poll() == ()
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        StorageError, match=r"cannot read the run's log: .*folder: a folder, not a regular file"
    ):
        EventReader(tmp_path / "folder").poll()
