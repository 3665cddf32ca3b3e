"""Any text as a run's name, any bytes as its files: a run or an error of ours, nothing outside the root."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from events import activity_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wmse_tui.runs.annotations import read_annotations
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import BadRunName, NewerVersion, NotARun, RunExists, RunNotFound, StorageError
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.process.identity import read_trainer
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.state.embedding import read_embedding
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.to_json import state_to_json
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs, resolve_run
from wmse_tui.runs.table.index import run_row

GOLDEN = Path(__file__).parents[1] / "data" / "events-v1.jsonl"
LINES = GOLDEN.read_bytes().splitlines(keepends=True)
names = st.text(max_size=70) | st.text(alphabet="./\\~-_a0\0\n last", max_size=12)


@settings(max_examples=200)
@given(name=names)
@example(name="..")
@example(name="../outside")
@example(name="/etc")
@example(name="-rf")
@example(name=".hidden")
@example(name="a/../../b")
@example(name="x" * 300)
@example(name="nul\0")
@example(name="/\0")  # found here: a path with a zero byte was a traceback
@example(name="~nobody-of-that-name")
@example(name="/" + "x" * 300)
@example(name="\u0430dmin")
@example(name="last")
@example(name="a\n")
def test_run_name_fuzz(name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "runs"
        try:
            run = create_run(root, "title: x\n", name=name)
        except BadRunName:
            assert not root.exists()
        else:
            assert run.path.parent == root.resolve()
            assert run.id == name
            assert name.isascii()
            assert name[0] not in "-."
        assert {entry.name for entry in Path(scratch).iterdir()} <= {"runs"}
        with contextlib.suppress(RunNotFound, NotARun):
            assert resolve_run(root, name).is_run()


def test_a_linked_runs_folder_holds_its_runs_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run = create_run(tmp_path / "link", "title: x\n", name="one")
    assert run.path == tmp_path / "real" / "one"
    assert [found.path for found in list_runs(tmp_path / "link")] == [run.path]
    (tmp_path / "outside").mkdir()
    (tmp_path / "real" / "two").symlink_to(tmp_path / "outside")
    with contextlib.suppress(RunExists):
        create_run(tmp_path / "link", "title: x\n", name="two")
    assert list((tmp_path / "outside").iterdir()) == [], "a link in the root is not written through"


def damaged_logs() -> st.SearchStrategy[bytes]:
    """Lines of a real log in any order, some with bytes exchanged, between lines of anything."""

    def changed(parts: tuple[bytes, int, int]) -> bytes:
        line, place, byte = parts
        at = place % len(line)
        return line[:at] + bytes([byte]) + line[at + 1 :]

    real = st.sampled_from(LINES)
    broken = st.tuples(real, st.integers(0, 2000), st.integers(0, 255)).map(changed)
    odd = st.sampled_from(
        [
            b"\n",
            b"\0" * 50 + b"\n",
            b"[" * 5000 + b"\n",
            b'{"v":1,"seq":1e999,"t":0,"attempt":1,"type":"exit"}\n',
            b'{"v":1,"seq":-5,"t":NaN,"attempt":1,"type":"phase","name":"x"}\n',
            b'{"v":1,"seq":2,"t":9e307,"attempt":99999999999,"type":"notice","level":"x","code":1}\n',
            b'{"v":2,"seq":3}\n',
        ]
    )
    return st.lists(real | broken | odd | st.binary(max_size=40), max_size=15).map(b"".join)


@settings(max_examples=150)
@given(content=damaged_logs())
@example(content=b"")
def test_any_log_is_read_and_can_be_continued(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run = create_run(Path(scratch), "title: x\n", name="fuzz")
        run.events.write_bytes(content)
        state = view_run(run)
        assert state == view_run(run)
        state_to_json(state)
        run_row(state)
        assert fold(RunState(), EventReader(run.events).poll()).seq == state.seq
        for line in activity_of(run):
            assert line.text.isprintable()
        with contextlib.suppress(NewerVersion), EventWriter(run.events) as log:
            assert log.seq >= 0
        whole = content[: content.rfind(b"\n") + 1]
        assert run.events.read_bytes().startswith(whole), "no whole line is lost"


@settings(max_examples=100)
@given(
    content=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))
)
@example(content=b"[" * 100_000)
@example(content=b'{"process": {"pid": 1e400}}')
@example(content=b"\xff\xfe\0")
def test_any_bytes_in_the_small_files_are_passed_over(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run: RunDirectory = create_run(Path(scratch), "title: x\n", name="fuzz")
        embedding = run.artifacts / "embedding.npz"
        for path in (run.trainer_json, run.annotations, run.control / "1-a.json", embedding):
            path.write_bytes(content)
        read_trainer(run)
        read_annotations(run)
        assert len(pending(run)) == 1
        with contextlib.suppress(StorageError):
            read_embedding(embedding)
        view_run(run)
        run.config.write_bytes(content)
        read_configuration(run)
        view_run(run)
