"""The eigenvalue spectra of a whole run, read from its log on demand: its state has only the newest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import EventError
from wmse_tui.runs.log.encoding import decode
from wmse_tui.runs.log.events import Attempt, Diagnostics
from wmse_tui.runs.log.follow import LineFollower
from wmse_tui.runs.state.thinning import least_needed

MOST_SPECTRA = 512
"""Spectra of one space that are remembered, evenly over the run."""
_BLOCK = 1 << 20  # bytes of the log read at once: most lines are passed over
_MARKS = (b'"diagnostics"', b'"resume_step"')  # in the lines that matter: samples, and attempts


class SpectrumHistory:
    """Reads the spectra of a run; what is new in the log is added with each call of `read`.

    Args:
        run: whose log is read.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._lines = LineFollower(run.events, reading="read the run's log")
        self._generation = 0
        self._found: dict[str, list[Diagnostics]] = {}

    def read(self) -> Mapping[str, tuple[Diagnostics, ...]]:
        """The samples with a spectrum by their space, in the order of their steps. Reads from disk.

        Raises:
            StorageError: the log exists and cannot be read.
        """
        self._read_block()
        while self._lines.behind:
            self._read_block()
        return {space: tuple(samples) for space, samples in self._found.items()}

    def _read_block(self) -> None:
        lines = self._lines.poll(block=_BLOCK)
        if self._lines.generation != self._generation:
            self._generation = self._lines.generation
            self._found.clear()
        for line in lines:
            if any(mark in line for mark in _MARKS):
                self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            event = decode(line).event
        except EventError:
            return  # the reader of the state counts it
        if isinstance(event, Attempt):  # it does again what comes after the step where it resumes
            for samples in self._found.values():
                del samples[bisect_right(samples, event.resume_step, key=_step_of) :]
        elif isinstance(event, Diagnostics) and event.spectrum:
            samples = self._found.setdefault(event.space, [])
            del samples[bisect_right(samples, event.step - 1, key=_step_of) :]
            samples.append(event)
            if len(samples) > MOST_SPECTRA:
                del samples[least_needed([each.step for each in samples])]


def _step_of(sample: Diagnostics) -> int:
    return sample.step
