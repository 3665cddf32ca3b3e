"""A main thread that does nothing for too long hangs; one that computes, reads or waits does not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from wmse_tui.engine.distribution.heartbeats import BEAT_SECONDS
from wmse_tui.engine.distribution.main_thread import (
    BUSY_BYTES,
    BUSY_SHARE,
    CLOCK_SECONDS,
    IDLE_BEATS,
    STORAGE_BEATS,
    Idleness,
    Usage,
    usage_of_process,
)

NOTHING = Usage(seconds=0.0, transferred=0, runnable=False, storage=False)


def beats_until_it_hangs(each: Usage, *, change: Usage = NOTHING, most: int = 1000) -> int | None:
    """The beats after the first, with a usage that grows by `change`; None: it never hangs."""
    idleness = Idleness()
    for beat in range(most):
        grown = replace(each, seconds=beat * change.seconds, transferred=beat * change.transferred)
        if idleness.beat(grown):
            return beat
    return None


def test_a_process_that_does_nothing_hangs_in_less_than_ten_seconds() -> None:
    assert beats_until_it_hangs(NOTHING) == IDLE_BEATS
    assert IDLE_BEATS * BEAT_SECONDS <= 5
    heartbeats = replace(NOTHING, seconds=BUSY_SHARE * BEAT_SECONDS / 2, transferred=BUSY_BYTES // 2)
    assert beats_until_it_hangs(NOTHING, change=heartbeats) == IDLE_BEATS


@pytest.mark.parametrize(
    ("each", "change"),
    [
        (NOTHING, replace(NOTHING, seconds=BUSY_SHARE * BEAT_SECONDS + 2 * CLOCK_SECONDS)),
        (NOTHING, replace(NOTHING, transferred=BUSY_BYTES)),
        (replace(NOTHING, runnable=True), NOTHING),
    ],
    ids=["computes", "reads slowly", "has no free processor"],
)
def test_what_is_slow_does_not_hang(each: Usage, change: Usage) -> None:
    assert beats_until_it_hangs(each, change=change) is None


def test_a_file_server_that_does_not_answer_is_waited_for_longer() -> None:
    beats = beats_until_it_hangs(replace(NOTHING, storage=True))
    assert beats == pytest.approx(STORAGE_BEATS, abs=1)


def test_a_wait_that_is_allowed_begins_the_count_anew() -> None:
    idleness = Idleness()
    for _ in range(3):
        assert not any(idleness.beat(NOTHING) for _ in range(IDLE_BEATS))
        assert not idleness.beat(None)
    assert not idleness.beat(NOTHING)


def test_the_work_of_loader_processes_counts_and_that_of_other_ranks_does_not(tmp_path: Path) -> None:
    file = tmp_path / "images"
    file.write_bytes(bytes(2**20))
    body = f"import sys; open({str(file)!r}, 'rb', 0).read(); print(flush=True); sys.stdin.read()"
    worker = subprocess.Popen(
        [sys.executable, "-S", "-c", body], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    with_worker, without = usage_of_process(set()), usage_of_process({worker.pid})
    again = usage_of_process({worker.pid})
    worker.communicate()
    assert with_worker.transferred - without.transferred >= 2**20
    assert again.transferred - without.transferred < BUSY_BYTES, "to ask for it counts as nothing"
    assert again.runnable  # this thread computes
