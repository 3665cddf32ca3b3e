"""Followers: each durable point once, whatever happens to the follower, the service or the run."""

from __future__ import annotations

import csv
import errno
import importlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from events import attempt, checkpoint, epoch, evaluation
from faults import Fault, Faults
from hypothesis import given, settings
from hypothesis import strategies as st

from wmse_tui.publish.batches import Batch
from wmse_tui.publish.csv_tables import CsvTables
from wmse_tui.publish.publisher import Publisher, connect, follow
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import SYSTEM_STEPS
from wmse_tui.runs.followers import (
    PositionFile,
    PublishError,
    SentPosition,
    Target,
    lock_target,
    note_follower,
    start_followers,
)
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Exit, Record, Steps
from wmse_tui.runs.state.run import RunState

BEGAN = 1_772_366_400.0
CSV = Target("csv")


def steps(first: int, *losses: float) -> Steps:
    return Steps(first=first, loss=losses, lr=(0.5,) * len(losses), images_per_second=90.0)


THREE_ATTEMPTS: tuple[Event, ...] = (
    attempt(),
    steps(1, 5.0, 4.5, 4.0),
    evaluation(0, 3, 0.25),
    checkpoint(3, "a"),
    steps(4, 9.0, 9.0),
    attempt(3),  # killed at step 5
    steps(4, 3.5, 3.0),
    checkpoint(5, "b"),
    evaluation(1, 5, 0.5),
    steps(6, 8.0),
    attempt(5),  # killed at step 6
    steps(6, 2.5, 2.0),
    epoch(2, 7),
    evaluation(2, 7, 0.75, 0.875),
    checkpoint(7, "c"),
    Exit(status="completed", step=7, epoch=2, seconds=60.0),
)
LOSSES = [(1, 5.0), (2, 4.5), (3, 4.0), (4, 3.5), (5, 3.0), (6, 2.5), (7, 2.0)]
KNN = [(3, 0.25), (5, 0.5), (7, 0.75)]


def line(seq: int, event: Event) -> str:
    return encode(Record(1, seq, BEGAN + seq, 1, event)) + "\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return create_run(tmp_path / "runs", "title: followed\n", name="followed")


def log(run: RunDirectory, events: Sequence[Event], *, first: int = 1) -> None:
    with run.events.open("a") as file:
        file.writelines(line(seq, event) for seq, event in enumerate(events, first))


class Recording:
    """A service that remembers; it raises at the calls that `fails` names."""

    def __init__(
        self, receives: Literal["durable", "live", "rebuilt"] = "durable", fails: Sequence[str] = ()
    ) -> None:
        self.receives: Literal["durable", "live", "rebuilt"] = receives
        self.fails = list(fails)
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.numbers: list[int] = []
        self.opened: list[SentPosition] = []
        self.finished = 0

    def open(self, run: RunDirectory, state: RunState, position: SentPosition) -> str:
        self._fail("open")
        self.opened.append(position)
        return "remote-1"

    def send(self, batch: Batch, first_row: int) -> None:
        self._fail("send")
        if batch.rewind is not None and self.receives == "live":
            self.rows = [row for row in self.rows if row[0] <= batch.rewind]
        self.numbers += range(first_row, first_row + len(batch.rows))
        self.rows += [(row.step, dict(row.values)) for row in batch.rows]

    def finish(self, state: RunState) -> None:
        self._fail("finish")
        self.finished += 1

    def close(self) -> None:
        pass

    def _fail(self, call: str) -> None:
        if call in self.fails:
            self.fails.remove(call)
            raise ConnectionError(f"{call} refused")

    def curve(self, name: str) -> list[tuple[int, float]]:
        return [(step, values[name]) for step, values in self.rows if name in values]


def test_the_log_of_three_attempts_ends_as_the_run_has_it(run: RunDirectory) -> None:
    log(run, THREE_ATTEMPTS)
    for receives in ("durable", "live"):
        service = Recording(receives)
        note_follower(run, Target("csv", {"dir": receives}))
        Publisher(run, Target("csv", {"dir": receives}), service).follow()
        assert service.curve("train/loss") == LOSSES
        assert service.curve("eval/knn_top1") == KNN
        assert service.finished == 1


class Killed(BaseException):
    """The follower is killed."""


class KilledService(Recording):
    """A service that accepts each row number once, as W&B does; its follower is killed at some calls."""

    def __init__(self, kills: Sequence[str]) -> None:
        super().__init__()
        self.kills = list(kills)

    def send(self, batch: Batch, first_row: int) -> None:
        moment = self.kills.pop(0) if self.kills else ""
        if moment == "before":
            raise Killed
        for number, row in enumerate(batch.rows, first_row):
            if number not in self.numbers:
                self.numbers.append(number)
                self.rows.append((row.step, dict(row.values)))
            if moment == "within":
                raise Killed
        if moment == "after":
            raise Killed


@settings(max_examples=30)
@given(
    cuts=st.lists(st.integers(0, len(THREE_ATTEMPTS)), max_size=4),
    kills=st.lists(st.sampled_from(["", "before", "within", "after"]), max_size=6),
)
def test_a_follower_that_is_killed_and_started_again_sends_each_durable_point_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], kills: list[str]
) -> None:
    run = create_run(tmp_path_factory.mktemp("r"), "title: x\n", name="r")
    note_follower(run, CSV)
    service, done = KilledService(kills), 0
    for cut in [*sorted(cuts), len(THREE_ATTEMPTS)]:
        log(run, THREE_ATTEMPTS[done:cut], first=done + 1)
        done = max(done, cut)
        for _ in range(len(kills) + 1):
            try:
                Publisher(run, CSV, service, once=True).follow()
                break
            except Killed:
                continue
    assert service.curve("train/loss") == LOSSES
    assert service.curve("eval/knn_top1") == KNN


@pytest.mark.parametrize("call", ["open", "send", "finish"])
def test_a_service_that_fails_is_tried_again_with_growing_pauses(call: str, run: RunDirectory) -> None:
    log(run, THREE_ATTEMPTS)
    note_follower(run, CSV)
    service, pauses, texts = Recording(fails=[call] * 3), list[float](), list[str]()
    Publisher(run, CSV, service, report=texts.append, sleep=pauses.append).follow()
    assert pauses == [1.0, 2.0, 4.0]
    assert texts[0] == f"csv: {call} refused; next try in 1 s"
    assert service.curve("train/loss") == LOSSES
    assert service.finished == 1


def test_sending_once_gives_up(run: RunDirectory) -> None:
    log(run, THREE_ATTEMPTS)
    note_follower(run, CSV)
    service, pauses = Recording(fails=["open"] * 9), list[float]()
    with pytest.raises(PublishError, match="could not be reached in 5 tries: open refused"):
        Publisher(run, CSV, service, once=True, sleep=pauses.append).follow()
    assert len(pauses) == 4


def test_a_disk_without_space_is_no_service_that_is_out_of_reach(run: RunDirectory) -> None:
    log(run, THREE_ATTEMPTS)
    note_follower(run, CSV)
    publisher = Publisher(run, CSV, connect(CSV, run), once=True, sleep=lambda _: None)
    with Faults(run.path, Fault("open", "EDQUOT", lasting=True)), pytest.raises(PublishError) as caught:
        publisher.follow()
    assert caught.value.title == "csv could not be written in 5 tries"
    assert caught.value.detail.endswith(": Disk quota exceeded")
    assert caught.value.next == (SYSTEM_STEPS[errno.EDQUOT],)


def test_a_failed_run_sends_what_its_checkpoints_have(run: RunDirectory) -> None:
    log(run, [*THREE_ATTEMPTS[:5], Exit(status="diverged", step=5, epoch=1, seconds=1.0)])
    note_follower(run, CSV)
    service = Recording()
    Publisher(run, CSV, service).follow()
    assert service.curve("train/loss") == LOSSES[:3]
    assert service.finished == 1


def tensorboard_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,  # slow to import: not in every test process
    )

    events = EventAccumulator(str(folder), purge_orphaned_data=True)
    events.Reload()
    return {
        tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


@pytest.mark.parametrize("cut", [0, 2, 5, 7, 10, 13])
def test_tensorboard_shows_each_point_once(cut: int, run: RunDirectory, tmp_path: Path) -> None:
    target = Target("tensorboard", {"dir": str(tmp_path / "board")})
    log(run, THREE_ATTEMPTS[:cut])
    follow(run, target, once=True)
    log(run, THREE_ATTEMPTS[cut:], first=cut + 1)
    follow(run, target)
    curves = tensorboard_curves(tmp_path / "board")
    assert curves["train/loss"] == LOSSES
    assert curves["eval/knn_top1"] == KNN
    assert curves["eval/linear_top1"] == [(7, 0.875)]


def test_csv_tables_have_one_row_a_step(run: RunDirectory, tmp_path: Path) -> None:
    target = Target("csv", {"dir": str(tmp_path / "tables")})
    for cut in (6, len(THREE_ATTEMPTS)):
        written = len(run.events.read_text().splitlines()) if run.events.exists() else 0
        log(run, THREE_ATTEMPTS[written:cut], first=written + 1)
        follow(run, target, once=True)
    counts = []
    for _ in range(2):
        follow(run, target, once=True)
        counts.append(PositionFile(run, target).read().rows)
    assert counts[0] == counts[1] > 0, "the rows that are written again are not counted again"
    with (tmp_path / "tables" / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["step"]), float(row["loss"])) for row in rows] == LOSSES
    assert [row["epoch"] for row in rows] == [""] * 6 + ["2"]
    with (tmp_path / "tables" / "eval.csv").open(newline="") as file:
        assert [(int(row["step"]), float(row["knn_top1"])) for row in csv.DictReader(file)] == KNN


def test_wandb_gets_the_run_offline(run: RunDirectory, tmp_path: Path) -> None:
    log(run, THREE_ATTEMPTS)
    target = Target("wandb", {"mode": "offline", "project": "p"})
    environment = {**os.environ, "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "wmse_tui.publish", str(run.path), target.text()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    (stored,) = run.followers.glob("wandb/offline-run-*/run-*.wandb")
    history = wandb_history(stored)
    assert [(int(row["step"]), row["train/loss"]) for row in history if "train/loss" in row] == LOSSES
    assert [(int(row["step"]), row["eval/knn_top1"]) for row in history if "eval/knn_top1" in row] == KNN
    position = PositionFile(run, target).read()
    assert position.rows == len(history)
    assert stored.name == f"run-{position.remote}.wandb"


def wandb_history(path: Path) -> list[dict[str, float]]:
    """The rows in the file of an offline run: protocol buffers in LevelDB's log format behind a header."""
    messages: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    rows = []
    for data in level_records(path.read_bytes()):
        record = messages.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append(
                {each.key or "/".join(each.nested_key): json.loads(each.value_json) for each in items}
            )
    return rows


def level_records(content: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log: blocks of 32 KiB, in each fragments of (checksum, length, kind, data)."""
    place, whole = 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        whole += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last fragment
            yield whole
            whole = b""


def test_mlflow_gets_the_run_in_a_folder(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    target = Target("mlflow", {"uri": (tmp_path / "mlruns").as_uri(), "experiment": "e"})
    log(run, THREE_ATTEMPTS[:9])
    follow(run, target, once=True)
    PositionFile(run, target).write(
        SentPosition(remote=PositionFile(run, target).read().remote)
    )  # killed early
    log(run, THREE_ATTEMPTS[9:], first=10)
    follow(run, target)
    client = MlflowClient(target.options["uri"])
    remote = PositionFile(run, target).read().remote
    history = client.get_metric_history(remote, "train/loss")
    assert sorted((point.step, point.value) for point in history) == LOSSES
    assert client.get_run(remote).info.status == "FINISHED"
    assert client.get_run(remote).data.tags["summary.final.knn_top1"] == "0.75"


def test_one_follower_serves_a_target(run: RunDirectory) -> None:
    log(run, THREE_ATTEMPTS)
    lock = lock_target(run, CSV)
    with pytest.raises(PublishError, match="is being followed for csv already"):
        follow(run, CSV)
    follow(run, Target("csv", {"dir": str(run.path.parent / "other")}))
    os.close(lock)
    follow(run, CSV)


def test_a_trainer_starts_the_followers_that_are_noted(run: RunDirectory, tmp_path: Path) -> None:
    import time

    log(run, THREE_ATTEMPTS)
    assert list(start_followers(run)) == []
    target = Target("csv", {"dir": str(tmp_path / "tables")})
    note_follower(run, target)
    (run.followers / "damaged.json").write_text("{")
    (problem,) = start_followers(run)
    assert problem.startswith("damaged.json: ")
    deadline = time.monotonic() + 60
    while PositionFile(run, target).read().step < 7 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert PositionFile(run, target).read().step == 7


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tensorbord", "did you mean tensorboard?"),
        ("wandb:team=x", "the keys are project, entity, name, mode"),
        ("csv:dir", "an option is KEY=VALUE"),
        ("csv:dir=", "an option is KEY=VALUE"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(text: str, wanted: str) -> None:
    with pytest.raises(PublishError) as caught:
        Target.parse(text)
    assert wanted in caught.value.detail + " ".join(caught.value.next)


def test_a_target_is_written_as_it_is_read() -> None:
    for text in ("csv", "wandb:project=a,mode=offline"):
        assert Target.parse(text).text() == text


@pytest.mark.parametrize("service", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_reported_with_its_pip_line(
    service: str, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, service, None)
    with pytest.raises(PublishError) as caught:
        connect(Target(service), run)
    assert caught.value.next == (f"pip install 'wmse-tui[{service}]'",)


def test_tables_follow_a_rewind(tmp_path: Path, run: RunDirectory) -> None:
    tables = CsvTables(tmp_path)
    assert tables.receives == "rebuilt"
    log(run, THREE_ATTEMPTS[:8])
    note_follower(run, CSV)
    Publisher(run, CSV, tables, once=True).follow()
    losses = [row.split(",")[:2] for row in (tmp_path / "train.csv").read_text().split()[1:]]
    assert [(int(step), float(loss)) for step, loss in losses] == LOSSES[:5]
