"""The list of runs: the row of each, what a refresh costs, and what is stored on disk."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.config.locations import cache_dir
from wmse_tui.runs.annotations import Annotations, write_annotations
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Exit, Notice, Phase, Record, Steps
from wmse_tui.runs.log.reader import EventReader
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.identity import write_launch, write_trainer
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.state.folded_log import DigestWriter
from wmse_tui.runs.state.highlights import SPARKS
from wmse_tui.runs.state.watch import RunWatcher, view_run
from wmse_tui.runs.table import index as module
from wmse_tui.runs.table.catalogue import list_runs
from wmse_tui.runs.table.index import RunIndex, RunRow, run_row

GOLDEN = Path(__file__).parents[1] / "data" / "events-v1.jsonl"
CONFIG = (
    "# preset: stl10\ntitle: Mine\nseed: 7\ndataset: {name: patterns}\nbackbone: {arch: cifar_resnet8}\n"
    "method: {name: w_mse, whitening_size: 64, normalize: true}\nschedule: {epochs: 3, batch_size: 256}\n"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WMSE_TUI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def read_anew(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose log was read from its beginning, by name, in order."""
    names: list[str] = []

    class Watcher(RunWatcher):
        def __init__(self, run: RunDirectory) -> None:
            names.append(run.id)
            super().__init__(run)

    monkeypatch.setattr(module, "RunWatcher", Watcher)
    return names


def make(root: Path, name: str, *, age: int = 0, log: bytes | None = None) -> RunDirectory:
    run = create_run(root, CONFIG, name=name)
    os.utime(run.config, (1_700_000_000 - age, 1_700_000_000 - age))
    run.events.write_bytes(GOLDEN.read_bytes() if log is None else log)
    return run


def log_of(*events: Phase | Steps | Exit | Notice) -> bytes:
    return b"".join(encode(Record(1, seq, 1.0, 1, e)).encode() + b"\n" for seq, e in enumerate(events, 1))


COMPLETED = log_of(Steps(1, (1.0, 2.0)), Exit(status="completed", step=2, epoch=1, seconds=1.0))


def test_a_run_is_a_row(root: Path) -> None:
    run = make(root, "mine")
    write_annotations(run, Annotations(("good",), "a note"))
    row = run_row(view_run(run), Annotations(("good",), "a note"))
    assert row == RunRow(
        run_id="mine",
        path=str(run.path),
        status="diverged",
        status_reason="the loss is not finite",
        title="Mine",
        preset="stl10",
        method="w_mse",
        dataset="patterns",
        arch="cifar_resnet8",
        seed=7,
        host="server",
        device="cpu",
        attempt=3,
        epoch=3,
        epochs=3,
        step=12,
        loss=0.3,
        sparkline=(1.5, 1.25, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
        best_knn=0.7,
        best_linear=0.74,
        final_knn=0.7,
        final_linear=0.74,
        verdict="diverging",
        started=1760000000.0,
        updated=1760000203.3,
        ended=1760000203.3,
        tags=("good",),
        note="a note",
    )
    assert RunIndex(root).refresh() == (row,)


def test_a_long_loss_is_a_sparkline_of_few_means(root: Path) -> None:
    run = make(root, "long", log=log_of(Steps(1, tuple(float(n) for n in range(1000)))))
    sparkline = run_row(view_run(run)).sparkline
    assert 16 <= len(sparkline) <= SPARKS
    assert sparkline[0] == 15.5


def test_the_newest_run_is_first_and_the_order_is_that_of_the_catalogue(root: Path) -> None:
    for age, name in enumerate(("c", "a", "b")):
        make(root, name, age=age)
    make(root, "twin", age=1)
    (root / "no-run").mkdir()
    (root / "file").write_text("")
    (root / ".hidden").mkdir()
    rows = RunIndex(root).refresh()
    assert [row.run_id for row in rows] == [run.id for run in list_runs(root)] == ["c", "twin", "a", "b"]


def test_a_run_that_was_given_its_age_after_it_was_seen_takes_its_place(root: Path) -> None:
    old, new = make(root, "old"), make(root, "new")
    for run, seconds in ((old, 2e9), (new, 1e9)):
        os.utime(run.config, (seconds, seconds))
    index = RunIndex(root)
    assert [row.run_id for row in index.refresh()] == ["old", "new"]
    os.utime(old.config, (5e8, 5e8))  # as a copy does last
    assert [row.run_id for row in index.refresh()] == ["new", "old"] == [r.id for r in list_runs(root)]


def test_nothing_new_is_the_very_same_and_reads_nothing(root: Path, read_anew: list[str]) -> None:
    make(root, "ended")
    make(root, "crashed", log=log_of(Phase("train")))
    make(root, "new", log=b"")
    index = RunIndex(root)
    first = index.refresh()
    assert [run.status for run in first] == ["new", "diverged", "crashed"]
    assert sorted(read_anew) == ["crashed", "ended", "new"]
    assert index.refresh() is first
    assert index.refresh(0.0) is first
    assert (index.loading, len(read_anew)) == (0, 3)


def test_runs_come_and_go(root: Path) -> None:
    index = RunIndex(root)
    assert index.refresh() == ()
    make(root, "a", age=1)
    assert [run.run_id for run in index.refresh()] == ["a"]
    first = make(root, "b")
    assert [run.run_id for run in index.refresh()] == ["b", "a"]
    first.config.unlink()
    assert [run.run_id for run in index.refresh()] == ["a"]
    (root / "a").rename(root / ".removed")
    assert index.refresh() == ()


def test_a_directory_that_becomes_a_run_later_is_seen(root: Path) -> None:
    half = make(root, "half")
    text = half.config.read_text()
    half.config.unlink()
    index = RunIndex(root)
    assert index.refresh() == ()
    half.config.write_text(text)
    assert [run.run_id for run in index.refresh()] == ["half"]


def test_a_run_that_was_made_anew_under_its_name_is_another(root: Path) -> None:
    make(root, "a")
    index = RunIndex(root)
    assert index.refresh()[0].step == 12
    (root / "a").rename(root.parent / "elsewhere")
    make(root, "a", log=COMPLETED)
    assert [(run.step, run.status) for run in index.refresh()] == [(2, "completed")]


def test_a_living_run_is_followed_and_read_only_once(
    run: RunDirectory, root: Path, read_anew: list[str]
) -> None:
    index = RunIndex(root)
    assert index.refresh()[0].status == "new"
    with RunLock(run), EventWriter(run.events) as log:
        write_trainer(run, attempt=log.begin_attempt())
        log.write(Phase("train"))
        assert index.refresh()[0].status == "running"
        log.write(Steps(1, (0.5,)))
        assert [(d.status, d.step, d.loss) for d in index.refresh(0.0)] == [("running", 1, 0.5)]
        log.write(Phase("paused"))
        assert index.refresh()[0].status == "paused"
        log.write(Exit(status="stopped", step=1, epoch=0, seconds=1.0))
    assert index.refresh()[0].status == "stopped"
    assert index.refresh() is index.refresh()
    assert read_anew == [run.id]


def test_a_crash_is_seen_although_the_log_says_nothing(run: RunDirectory, root: Path) -> None:
    index = RunIndex(root)
    with RunLock(run), EventWriter(run.events) as log:
        log.begin_attempt()
        log.write(Phase("train"))
        assert index.refresh()[0].status == "running"
    assert index.refresh()[0].status == "crashed"
    with RunLock(run):
        assert index.refresh()[0].status == "running"


def test_a_resumption_is_seen_before_its_log_grows(root: Path) -> None:
    run = make(root, "ended")
    watching = RunIndex(root)
    watching.refresh()
    write_launch(run)
    assert watching.refresh()[0].status == "starting"
    assert RunIndex(root).refresh()[0].status == "starting"


def test_tags_and_notes_are_fresh_and_cost_no_reading(root: Path, read_anew: list[str]) -> None:
    run = make(root, "a")
    index = RunIndex(root)
    index.refresh()
    write_annotations(run, Annotations(("good",), "later"))
    assert [(d.tags, d.note) for d in index.refresh()] == [(("good",), "later")]
    assert [(d.tags, d.note) for d in RunIndex(root).refresh()] == [(("good",), "later")]
    assert read_anew == ["a"]
    stored = "".join(path.read_text() for path in (cache_dir() / "digests").iterdir())
    assert "later" not in stored


def test_an_ended_run_is_read_once_by_all_programs_and_a_crashed_one_by_each(
    root: Path, read_anew: list[str]
) -> None:
    make(root, "ended")
    make(root, "crashed", log=log_of(Phase("train")))
    first = RunIndex(root).refresh()
    assert RunIndex(root).refresh() == first
    assert sorted(read_anew) == ["crashed", "crashed", "ended"]


def digested(run: RunDirectory) -> RunDirectory:
    DigestWriter(lambda: run).update(last=True)
    return run


def test_the_row_of_an_ended_run_with_a_digest_needs_no_reading(root: Path, read_anew: list[str]) -> None:
    for name, log in (("golden", None), ("completed", COMPLETED)):
        run = make(root, name, log=log)
        row = run_row(view_run(run))
        digested(run)
        assert row in RunIndex(root, cache=root.parent / f"cache-{name}.json").refresh()
    assert "completed" not in read_anew
    run.config.write_text(CONFIG.replace("Mine", "Yours"))
    index = RunIndex(root, cache=root.parent / "none.json")
    assert {found.title for found in index.refresh()} == {"Mine", "Yours"}


def test_a_run_that_was_resumed_after_its_digest_is_as_its_log_says(root: Path) -> None:
    run = digested(make(root, "a", log=COMPLETED))
    with RunLock(run), EventWriter(run.events) as log:
        write_trainer(run, attempt=log.begin_attempt())
        assert RunIndex(root).refresh()[0].status == "starting"
        log.write(Phase("train"))
        assert RunIndex(root).refresh()[0].status == "running"
    (row,) = RunIndex(root).refresh()
    assert (row.ended, row.attempt, row.step) == (None, 2, 2)


def test_a_refresh_of_runs_at_rest_is_one_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries are asked for their time by the listing; nothing else is touched."""
    for number in range(5):
        at_rest(digested(make(root, f"ended-{number}", age=number)))
    for name, log in (("new", b""), ("killed", log_of(Phase("train")))):
        at_rest(make(root, name, age=9, log=log))
    index = RunIndex(root)
    first = index.refresh()
    index.refresh()
    touched: list[str] = []
    for name in ("stat", "lstat", "open", "scandir"):
        plain = getattr(os, name)

        def counted(*arguments: Any, name: str = name, plain: Any = plain, **options: Any) -> Any:
            touched.append(f"{name} {Path(arguments[0]).name}")
            return plain(*arguments, **options)

        monkeypatch.setattr(os, name, counted)
    assert index.refresh() is first
    monkeypatch.undo()
    assert sorted(touched) == [f"scandir {root.name}", *["stat events.jsonl"] * 2]


def at_rest(run: RunDirectory, seconds: int = 1000) -> None:
    """As if nothing had happened in the directory for a while."""
    then = time.time() - seconds
    os.utime(run.path, (then, then))


@pytest.mark.parametrize("change", ["annotated", "launched", "removed", "log grown"])
def test_what_happens_to_a_run_at_rest_is_seen(root: Path, change: str) -> None:
    run = make(root, "a", log=log_of(Phase("train")) if change == "log grown" else COMPLETED)
    at_rest(run)
    index = RunIndex(root)
    index.refresh()
    index.refresh()
    before = index.refresh()
    match change:
        case "annotated":
            write_annotations(run, Annotations(("good",)))
            assert index.refresh()[0].tags == ("good",)
        case "launched":
            write_launch(run)
            assert index.refresh()[0].status == "starting"
        case "removed":
            run.config.unlink()
            assert index.refresh() == ()
        case "log grown":
            with run.events.open("ab") as file:
                file.write(encode(Record(1, 2, 2.0, 1, Steps(1, (5.0,)))).encode() + b"\n")
            assert (before[0].step, index.refresh()[0].step) == (0, 1)


def test_a_log_that_changed_meanwhile_is_read_again(root: Path, read_anew: list[str]) -> None:
    run = make(root, "a", log=COMPLETED)
    RunIndex(root).refresh()
    with run.events.open("ab") as file:
        file.write(encode(Record(1, 3, 2.0, 2, Phase("start"))).encode() + b"\n")
    assert RunIndex(root).refresh()[0].status == "crashed"
    status = run.events.stat()
    run.events.write_bytes(COMPLETED)
    os.utime(run.events, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert RunIndex(root).refresh()[0].status == "completed"
    assert len(read_anew) == 3


def test_a_cache_with_false_rows_cannot_move_a_run(root: Path) -> None:
    run = make(root, "a", log=COMPLETED)
    RunIndex(root).refresh()
    (file,) = (cache_dir() / "digests").iterdir()
    version, cached = json.loads(file.read_text())
    stamp, values = cached["a"]
    values |= {"path": "/etc", "run_id": "other", "tags": ["x"], "note": "x", "title": "\x1b[2J"}
    file.write_text(json.dumps([version, {"a": [stamp, values]}]))
    (row,) = RunIndex(root).refresh()
    assert (row.path, row.run_id, row.tags, row.note) == (str(run.path), "a", (), "")
    values["status"] = "running"  # an active run is never taken from the file
    file.write_text(json.dumps([version, {"a": [stamp, values]}]))
    assert RunIndex(root).refresh()[0].status == "completed"
    file.write_text("[")
    assert RunIndex(root).refresh()[0].title == "Mine"


def test_a_little_time_reads_one_run_after_the_other_newest_first(root: Path) -> None:
    for age, name in enumerate(("newest", "middle", "oldest")):
        make(root, name, age=age)
    index = RunIndex(root)
    seen = [([run.run_id for run in index.refresh(0.0)], index.loading) for _ in range(3)]
    assert seen == [
        (["newest"], 2),
        (["newest", "middle"], 1),
        (["newest", "middle", "oldest"], 0),
    ]


def test_a_long_log_is_read_in_pieces_and_shown_when_it_is_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = log_of(
        *(Notice("info", "N", "x" * 1000) for _ in range(50)),
        Exit(status="completed", step=1, epoch=1, seconds=1.0),
    )
    make(root, "long", log=long)
    make(root, "short", age=1, log=COMPLETED)
    poll = EventReader.poll
    monkeypatch.setattr(EventReader, "poll", lambda reader: poll(reader, block=20_000))
    index = RunIndex(root)
    loading = [(len(index.refresh(0.0)), index.loading) for _ in range(4)]
    assert loading == [(0, 2), (0, 2), (1, 1), (2, 0)]


def test_a_known_run_remains_listed_while_its_log_is_read_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(root, "a", log=COMPLETED)
    index = RunIndex(root)
    index.refresh()
    index.refresh()  # only now its watcher is released: its log stood still
    run.events.write_bytes(log_of(*(Notice("info", "N", "x" * 1000) for _ in range(50))))
    poll = EventReader.poll
    monkeypatch.setattr(EventReader, "poll", lambda reader: poll(reader, block=20_000))
    states = [(index.refresh(0.0)[0].status, index.loading) for _ in range(3)]
    assert states == [("completed", 1), ("completed", 1), ("crashed", 0)]


def test_a_log_that_cannot_be_read_is_a_problem_of_its_run_alone(root: Path) -> None:
    run = make(root, "a", age=1)
    make(root, "b")
    run.events.unlink()
    run.events.mkdir()
    index = RunIndex(root)
    good, bad = index.refresh()
    assert (good.status, bad.status, bad.title) == ("diverged", "unknown", "Mine")
    assert (
        bad.problem
        == bad.status_reason
        == f"cannot read the run's log: {run.events}: a folder, not a regular file"
    )
    assert index.loading == 0
    run.events.rmdir()
    run.events.write_bytes(COMPLETED)
    assert [(d.status, d.problem) for d in index.refresh()] == [("diverged", ""), ("completed", "")]


def test_a_missing_root_has_no_runs_and_an_unreadable_one_is_an_error(tmp_path: Path) -> None:
    assert RunIndex(tmp_path / "none").refresh() == ()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot list the runs"):
        RunIndex(tmp_path / "file").refresh()


def test_a_cache_that_cannot_be_written_does_no_harm(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    make(root, "a")
    assert RunIndex(root).refresh()[0].status == "diverged"
