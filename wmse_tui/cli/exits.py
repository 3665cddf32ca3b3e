"""The exit codes of the commands: one number, one sentence."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes; `sentence` is what `--help` and the documentation print beside each."""

    sentence: str

    def __new__(cls, number: int, sentence: str) -> ExitCode:
        """Make a member that is its number and carries its sentence."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.sentence = sentence
        return member

    COMPLETED = 0, "The command did what was asked; a followed run has completed."
    FAILED = 1, "The run, or the command itself, failed; stderr explains why and what to do."
    USAGE = 2, "The command line or the configuration is wrong; nothing was started."
    DIVERGED = 3, "The run diverged: its loss or a whitening matrix was no longer usable."
    STOPPED = 4, "The run was stopped on request before its last epoch; it can be resumed."
    BUSY = 73, "Another process is training this run, or it is queued already."
    HUNG_UP = 129, "The terminal hung up; the command exited, the run continues."
    INTERRUPTED = 130, "Ctrl-C: `run` and `resume` saved and stopped the run, other commands just exited."
    OUTPUT_CLOSED = 141, "The reader of the output exited, as in `... | head`; the run continues."
    TERMINATED = 143, "SIGTERM, SIGUSR1 or SIGUSR2: like Ctrl-C; the app just exits, as after a hang-up."

    @staticmethod
    def of_process(status: int) -> ExitCode:
        """Return the code that equals a process's exit status; an unknown one counts as failed."""
        return next((member for member in ExitCode if member.value == status), ExitCode.FAILED)

    @staticmethod
    def of_status(status: str) -> ExitCode:
        """Return the code for the `status` of a run's exit event; an unknown one counts as failed."""
        return _BY_STATUS.get(status, ExitCode.FAILED)


_BY_STATUS = {
    "completed": ExitCode.COMPLETED,
    "stopped": ExitCode.STOPPED,
    "diverged": ExitCode.DIVERGED,
    "failed": ExitCode.FAILED,
}


def exit_code_table() -> str:
    """Return the exit codes as text, one a line, for the end of `--help`."""
    return "\n".join(f"{member.value:>5}  {member.sentence}" for member in ExitCode)
