"""What the exit status of a command means: one number, one sentence."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses; `sentence` is what the documentation and `--help` say about each."""

    sentence: str

    def __new__(cls, number: int, sentence: str) -> ExitCode:
        """Make a member that is its number and carries its sentence."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.sentence = sentence
        return member

    COMPLETED = 0, "The command did what was asked; a followed run has completed."
    FAILED = 1, "The run, or the command itself, failed; stderr says why and what to do."
    USAGE = 2, "The command line or the configuration is wrong; nothing was started."
    DIVERGED = 3, "The run stopped by itself: the loss or a whitening matrix was no longer usable."
    STOPPED = 4, "The run was stopped on request before its last epoch; it can be resumed."
    BUSY = 73, "Another process is training this run, or it waits in the queue already."
    HUNG_UP = 129, "The terminal went away; the command left, the run goes on."
    INTERRUPTED = 130, "Ctrl-C: `run` and `resume` had the run saved and stopped, other commands just left."
    READER_GONE = 141, "Whoever read the output went away, as in `... | head`; a run goes on."
    TERMINATED = 143, "SIGTERM, SIGUSR1 or SIGUSR2: like Ctrl-C; the app just leaves, as after a hang-up."

    @staticmethod
    def of_number(number: int) -> ExitCode:
        """Return the exit of a process status; one that is in no table counts as failed."""
        return next((member for member in ExitCode if member.value == number), ExitCode.FAILED)

    @staticmethod
    def of_status(status: str) -> ExitCode:
        """Return the exit for the `status` of a run's exit event; an unknown one counts as failed."""
        return _BY_STATUS.get(status, ExitCode.FAILED)


_BY_STATUS = {
    "completed": ExitCode.COMPLETED,
    "stopped": ExitCode.STOPPED,
    "diverged": ExitCode.DIVERGED,
    "failed": ExitCode.FAILED,
}


def exit_code_table() -> str:
    """Return the statuses as text, one a line, for the bottom of `--help`."""
    return "\n".join(f"{member.value:>5}  {member.sentence}" for member in ExitCode)
