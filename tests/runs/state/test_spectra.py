"""The spectra of a run, read from its log."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from events import attempt, diagnostics

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Event, Record, Steps
from wmse_tui.runs.state.spectra import MOST_SPECTRA, SpectrumHistory


def sample(step: int, space: str = "projector") -> Event:
    return diagnostics(step, space, spectrum=(float(step), 1.0))


class Log:
    """A log that a test writes."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.seq = 0

    def write(self, *events: Event, mode: str = "a") -> None:
        with self.run.events.open(mode) as file:
            for event in events:
                self.seq += 1
                file.write(encode(Record(1, self.seq, 1.0, 1, event)) + "\n")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(RunDirectory(tmp_path))


def steps(history: SpectrumHistory, space: str = "projector") -> list[int]:
    found = history.read().get(space, ())
    assert all(each.spectrum[0] == each.step for each in found)
    return [each.step for each in found]


def test_spectra_are_found_by_space_and_new_ones_are_added(log: Log) -> None:
    history = SpectrumHistory(log.run)
    assert history.read() == {}
    log.write(attempt(), Steps(first=1, loss=(1.0,)), sample(1), sample(2, "encoder"), sample(5))
    assert (steps(history), steps(history, "encoder")) == ([1, 5], [2])
    log.write(sample(7), diagnostics(8, "projector", spectrum=()))
    assert steps(history) == [1, 5, 7]
    log.write(sample(7))  # the same step again
    assert steps(history) == [1, 5, 7]


def test_what_a_later_attempt_does_again_is_dropped(log: Log) -> None:
    log.write(attempt(), sample(1), sample(4), sample(4, "encoder"), sample(9), attempt(resume_step=4))
    history = SpectrumHistory(log.run)
    assert (steps(history), steps(history, "encoder")) == ([1, 4], [4])
    log.write(sample(6))
    assert steps(history) == [1, 4, 6]


def test_of_many_some_are_remembered_evenly_from_the_first_to_the_newest(log: Log) -> None:
    many = 2 * MOST_SPECTRA + 10
    log.write(*(sample(step) for step in range(many)))
    found = steps(SpectrumHistory(log.run))
    assert len(found) == MOST_SPECTRA
    assert (found[0], found[-1]) == (0, many - 1)
    assert max(later - earlier for earlier, later in pairwise(found)) <= 4


def test_a_damaged_line_is_passed_over_and_another_log_begins_anew(log: Log) -> None:
    log.write(sample(1))
    with log.run.events.open("a") as file:
        file.write('{"type":"diagnostics","spectrum":"\\u001b"}\n')
    log.write(sample(3))
    history = SpectrumHistory(log.run)
    assert steps(history) == [1, 3]
    log.write(sample(2), mode="w")
    assert steps(history) == [2]


def test_a_log_that_cannot_be_read_is_an_error(log: Log) -> None:
    log.run.events.mkdir()
    with pytest.raises(StorageError):
        SpectrumHistory(log.run).read()
