"""The digest beside a log: whatever happens to either, readers see what the log alone says."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from event_strategies import EVENT
from events import attempt, checkpoint, diagnostics, epoch, evaluation
from faults import Fault, Faults
from hypothesis import given, settings
from hypothesis import strategies as st

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import TYPES, Event, Exit, KnnResult, NormImportance, Phase, Record, Steps
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.state.digest import dataclasses_in, read_digest
from wmse_tui.runs.state.folded_log import DigestWriter, FoldedLog
from wmse_tui.runs.state.highlights import highlights_of
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.series import Series
from wmse_tui.runs.state.sparse_series import SparseSeries
from wmse_tui.runs.state.throughput import Throughput
from wmse_tui.runs.state.watch import RunWatcher, view_run

END = Exit(status="completed", step=10_000, epoch=40, seconds=9.0)
CONFIG = "title: x\nmethod: {name: w_mse, whitening_size: 64}\n"
LONG = tuple(
    event
    for number in range(1, 41)
    for event in (
        Steps(250 * number - 249, (0.5, None, *(1.0 / number,) * 248), (0.1,) * 250, (("a", (1.0,)),), 99.5),
        epoch(number, 250 * number),
        evaluation(number, 250 * number, number / 100, number / 90),
        diagnostics(250 * number),
        checkpoint(250 * number, f"step-{number:08}.pt"),
    )
)


def folded(run: RunDirectory, *, from_start: bool = False) -> tuple[RunState, int, int]:
    """What the log of `run` folds to, its unreadable lines and missing records."""
    log = FoldedLog(run, records=[] if from_start else None)
    log.read_block()
    while log.behind:
        log.read_block()
    return log.state, log.unreadable, log.missing


def write(run: RunDirectory, *events: Event, new_attempt: bool = False) -> None:
    with EventWriter(run.events) as log:
        if new_attempt:
            log.begin_attempt()
        for event in events:
            log.write(event)


def digested(run: RunDirectory) -> None:
    DigestWriter(lambda: run).update(last=True)


@pytest.fixture
def long_run(run: RunDirectory) -> RunDirectory:
    """A run of 10,000 steps with an exit event and a digest."""
    write(run, attempt(), *LONG, END, new_attempt=True)
    digested(run)
    return run


# The digest and the rest of the log are the whole log


class LogHistory:
    """What can happen to the log of one run and its digest, by trainers, disks and people."""

    def __init__(self, folder: Path) -> None:
        self.run = create_run(folder, CONFIG, name="x")
        self.trainer = DigestWriter(lambda: self.run)

    def events(self, events: list[Event]) -> None:
        write(self.run, *events)

    def resumed(self, events: list[Event]) -> None:
        self.trainer = DigestWriter(lambda: self.run)
        write(self.run, *events, new_attempt=True)

    def digest(self, last: bool) -> None:
        self.trainer.update(last=last)

    def torn(self, line: bytes) -> None:
        with self.run.events.open("ab") as file:
            file.write(line)

    def rewound(self, share: float) -> None:
        if self.run.events.exists():
            os.truncate(self.run.events, int(share * self.run.events.stat().st_size))

    def replaced(self, events: list[Event]) -> None:
        self.run.events.unlink(missing_ok=True)
        write(self.run, *events)

    def copied_digest(self, events: list[Event]) -> None:
        other = create_run(self.run.path.parent, CONFIG, name=f"y{len(events)}")
        write(other, *events)
        digested(other)
        other.digest.replace(self.run.digest)
        shutil.rmtree(other.path)

    def lost(self, _: object) -> None:
        self.run.digest.unlink(missing_ok=True)


ODD_LINES = st.sampled_from(
    [
        b"\n",
        b"\0" * 9,
        b'{"v":1,"seq":3,',
        b"[]\n",
        encode(Record(1, 99, 5.0, 2, Phase("train"))).encode() + b"\n",
    ]
)
some_events = st.lists(EVENT, max_size=6)
ACTION = st.one_of(
    st.tuples(st.just("events"), some_events),
    st.tuples(st.just("resumed"), some_events),
    st.tuples(st.just("digest"), st.booleans()),
    st.tuples(st.just("torn"), ODD_LINES | st.binary(max_size=12)),
    st.tuples(st.just("rewound"), st.floats(0, 1)),
    st.tuples(st.just("replaced"), some_events),
    st.tuples(st.just("copied_digest"), some_events),
    st.tuples(st.just("lost"), st.none()),
)


@settings(max_examples=60)
@given(st.lists(ACTION, max_size=14))
def test_the_digest_and_the_rest_of_the_log_are_the_whole_log(actions: list[tuple[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        history = LogHistory(Path(folder))
        for name, argument in actions:
            getattr(history, name)(argument)
            assert folded(history.run) == folded(history.run, from_start=True), name
        history.digest(True)
        whole = folded(history.run, from_start=True)
        assert folded(history.run) == whole
        brief = read_digest(history.run, brief=True)
        if history.run.digest.exists() and history.run.events.exists():
            assert brief is not None
            assert brief.highlights == highlights_of(whole[0])


@pytest.mark.parametrize("size", [0, 1, 5, 40, 200])
def test_a_long_log_is_continued_from_any_digest(run: RunDirectory, size: int) -> None:
    write(run, attempt(), *LONG[:size], new_attempt=True)
    digested(run)
    write(run, *LONG[size:])
    assert folded(run) == folded(run, from_start=True)
    write(run, attempt(4321), Phase("train"), new_attempt=True)
    assert folded(run) == folded(run, from_start=True)
    assert folded(run)[0].loss.last_step == 4321


def test_what_the_digest_has_of_the_log_is_not_read_again(
    long_run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = view_run(long_run)
    write(long_run, Phase("train"))
    read: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        content = pread(descriptor, length, offset)
        read.append(len(content))
        return content

    monkeypatch.setattr(os, "pread", counted)
    state = view_run(long_run)
    assert (state.loss, state.evaluations, state.seq) == (whole.loss, whole.evaluations, whole.seq + 1)
    assert 10 * sum(read) < long_run.events.stat().st_size


def test_a_viewer_that_is_there_already_reads_on_as_before(run: RunDirectory) -> None:
    watcher = RunWatcher(run)
    write(run, attempt(), *LONG[:50], new_attempt=True)
    first = watcher.poll()
    digested(run)
    assert watcher.poll() is first
    write(run, *LONG[50:])
    assert watcher.poll() == view_run(run)


# A digest that cannot be used


@settings(max_examples=40)
@given(data=st.data())
def test_any_cut_or_changed_byte_costs_only_time(data: Any) -> None:
    with TemporaryDirectory() as folder:
        run = create_run(Path(folder), CONFIG, name="x")
        write(run, attempt(), *LONG[:20], new_attempt=True)
        digested(run)
        content = bytearray(run.digest.read_bytes())
        line = content.index(b"\n")
        index = data.draw(st.booleans()) * (len(content) - 1 - line) + line
        content[int(index * data.draw(st.floats(0, 1)))] = data.draw(st.integers(0, 255))
        run.digest.write_bytes(content[: int(len(content) * data.draw(st.just(1.0) | st.floats(0, 1)))])
        assert folded(run) == folded(run, from_start=True)


def rewritten(
    run: RunDirectory, head: Callable[[dict[str, Any]], None], body: Callable[[bytes], bytes] = bytes
) -> None:
    """Change the digest as someone might who knows the format: with checksums that fit."""
    line, rest = run.digest.read_bytes().split(b"\n", 1)
    begin, length = line.rsplit(b" ", 1)[0].rsplit(b" ", 1)
    content = body(rest[int(length) :])
    values = json.loads(rest[: int(length)])
    values |= {"body": len(content), "body_sha256": hashlib.sha256(content).hexdigest()}
    head(values)
    encoded = json.dumps(values).encode()
    checksum = hashlib.sha256(encoded).hexdigest()
    run.digest.write_bytes(b"%s %d %s\n" % (begin, len(encoded), checksum.encode()) + encoded + content)


def nothing(values: dict[str, Any]) -> None:
    """Leave the head as it is."""


def test_a_rewritten_digest_that_is_as_before_is_used(long_run: RunDirectory) -> None:
    before = read_digest(long_run)
    rewritten(long_run, nothing)
    assert read_digest(long_run) == before is not None


def _state(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values["state"].__setitem__(name, value)


def _doubles(content: bytes, value: float, *, at: int = 0) -> bytes:
    return content[:at] + struct.pack("=d", value) + content[at + 8 :]


CHUNKS = 10_000 // 4096
SUMMARIES = CHUNKS * 4096 * 8


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (_state("seq", -1), bytes),
        (_state("step", 10**40), bytes),
        (_state("updated", float("inf")), bytes),
        (_state("lr", float("nan")), bytes),
        (_state("phase", {"name": 5}), bytes),
        (_state("setup", "x"), bytes),
        (lambda values: values.update(lengths=[1, 2, 3, 4]), bytes),
        (lambda values: values.update(lengths=[2**52] * 4), bytes),
        (lambda values: values.update(lengths=[]), bytes),
        (lambda values: values.update(last_step=2**52), bytes),
        (lambda values: values.update(body=2**52), bytes),
        (lambda values: values["position"]["point"].update(offset=2**52), bytes),
        (lambda values: values["position"].update(next_seq="x"), bytes),
        (lambda values: values.pop("highlights"), bytes),
        (nothing, lambda content: _doubles(content, float("inf"))),
        (nothing, lambda content: _doubles(content, 0.5, at=SUMMARIES)),
        (nothing, lambda content: _doubles(content, float("nan"), at=SUMMARIES + 8)),
        (nothing, lambda content: content[:-40]),
        (nothing, lambda content: content.replace(b'"epoch":3', b'"epoch":-')),
        (nothing, lambda content: content.replace(b'"knn":{"top1":0.', b'"knn":{"top1":1e999,"x":0.')),
        (nothing, lambda content: content[: content.index(b'{"epoch_rows"')] + b"[" * 100_000),
    ],
)
def test_a_digest_of_nonsense_is_refused_whatever_its_checksums(
    long_run: RunDirectory, head: Callable[[dict[str, Any]], None], body: Callable[[bytes], bytes]
) -> None:
    rewritten(long_run, head, body)
    assert read_digest(long_run) is None
    assert folded(long_run) == folded(long_run, from_start=True)


def test_knots_whose_steps_fall_are_no_series(long_run: RunDirectory) -> None:
    series: list[int] = []
    rewritten(long_run, lambda values: series.extend(values["lengths"]))
    rewritten(long_run, nothing, lambda content: _doubles(content, 1e9, at=series[0]))
    assert read_digest(long_run) is None


def _linked(run: RunDirectory) -> None:
    moved = run.path.parent / "elsewhere"
    run.digest.replace(moved)
    run.digest.symlink_to(moved)


def _piped(run: RunDirectory) -> None:
    run.digest.unlink()
    os.mkfifo(run.digest)


def _foldered(run: RunDirectory) -> None:
    run.digest.unlink()
    run.digest.mkdir()


def _sparse(run: RunDirectory) -> None:
    os.truncate(run.digest, 1 << 40)
    with run.digest.open("r+b") as file:
        file.write(b"wmse-tui digest 1-0 1099511627776 0\n")


def _of_another_format(run: RunDirectory) -> None:
    content = run.digest.read_bytes()
    run.digest.write_bytes(content.replace(b"digest 1-", b"digest 0-", 1))


@pytest.mark.parametrize("change", [_linked, _piped, _foldered, _sparse, _of_another_format])
def test_what_is_no_digest_of_this_format_is_passed_over(
    long_run: RunDirectory, change: Callable[[RunDirectory], None]
) -> None:
    whole = view_run(long_run)
    change(long_run)
    assert read_digest(long_run) is None
    assert view_run(long_run) == whole


def test_the_fields_of_all_that_is_folded_are_part_of_the_format() -> None:
    """A version that reads a further field of the log uses no digest of one that did not read it."""
    folded_from = dataclasses_in(*TYPES.values())
    assert {*TYPES.values(), KnnResult, NormImportance} <= folded_from
    assert {Throughput, Series, SparseSeries} <= dataclasses_in(RunState)


# Writing


def sizes_written(run: RunDirectory, groups: Sequence[Sequence[Event]]) -> list[int]:
    """The bytes of each digest that a trainer wrote, which had a reason to after each group of events."""
    trainer, found, before = DigestWriter(lambda: run), list[int](), None
    for events in groups:
        write(run, *events)
        trainer.update()
        there = run.digest.stat()
        if (identity := (there.st_ino, there.st_mtime_ns)) != before:
            found.append(there.st_size)
        before = identity
    return found


def test_a_small_digest_is_written_whenever_there_is_a_reason(run: RunDirectory) -> None:
    groups = [LONG[start : start + 5] for start in range(0, 50, 5)]
    assert len(sizes_written(run, groups)) == len(groups)


def test_bytes_written_are_bounded_by_those_of_the_log(run: RunDirectory) -> None:
    groups: list[tuple[Event, ...]] = [
        (evaluation(number, number, 0.5, 0.5), Steps(number, (0.25,))) for number in range(1, 3001)
    ]
    sizes = sizes_written(run, groups)
    small = [size for size in sizes if size <= 128 * 1024]
    assert len(small) > 100
    assert sum(sizes) - sum(small) <= 9 * run.events.stat().st_size
    digest = read_digest(run, brief=True)
    assert digest is not None
    rest = run.events.stat().st_size - digest.position.point.offset
    assert rest <= run.digest.stat().st_size / 8 + 1000


def test_a_digest_is_never_synced_and_leaves_nothing_else(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(run, attempt(), *LONG)
    before = set(run.path.iterdir())

    def refuse(descriptor: int) -> None:
        raise AssertionError(f"{descriptor} is synced, which may take seconds")

    monkeypatch.setattr(os, "fsync", refuse)
    digested(run)
    assert set(run.path.iterdir()) - before == {run.digest}
    assert run.digest.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["ENOSPC", "EIO", "EACCES", "short"])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_disk_that_refuses_it_costs_nothing(run: RunDirectory, at: int, how: str) -> None:
    write(run, attempt(), *LONG[:50], new_attempt=True)
    digested(run)
    write(run, *LONG[50:])
    trainer = DigestWriter(lambda: run)
    with Faults(run.path, Fault(at, how)):
        trainer.update(last=True)
    assert folded(run) == folded(run, from_start=True)
    trainer.update(last=True)
    assert read_digest(run) is not None
    assert [path for path in run.path.iterdir() if path.suffix == ".tmp"] == []


def test_a_moved_run_gets_its_digest_where_it_is(run: RunDirectory) -> None:
    here = [run]
    trainer = DigestWriter(lambda: here[0])
    write(run, attempt(), *LONG[:50], new_attempt=True)
    trainer.update()
    here[0] = RunDirectory(run.path.rename(run.path.with_name("moved")))
    write(here[0], *LONG[50:])
    trainer.update(last=True)
    assert not run.path.exists()
    assert folded(here[0]) == folded(here[0], from_start=True)


def test_a_log_that_expands_beyond_measure_has_no_digest(run: RunDirectory) -> None:
    write(run, *(Steps(4_000_000 * number, (1.0,)) for number in range(1, 4)))
    digested(run)
    assert not run.digest.exists()


def test_a_text_that_is_no_utf8_has_no_digest(run: RunDirectory) -> None:
    run.events.write_text('{"v":1,"seq":1,"t":1.0,"attempt":1,"type":"phase","name":"\\ud800"}\n')
    digested(run)
    assert not run.digest.exists()
    assert folded(run)[0].phase == Phase("\ud800")
