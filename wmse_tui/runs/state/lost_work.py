"""What a run does again when it is resumed, because its checkpoints are not there or none was saved."""

from __future__ import annotations

from dataclasses import dataclass

from wmse_tui.runs.directory import RunDirectory, checkpoint_step
from wmse_tui.runs.run_folder import RunFolder
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.text.units import count


@dataclass(frozen=True, slots=True)
class LostWork:
    """Steps and evaluations of the log that no checkpoint holds.

    Args:
        resume_step: training continues after this step; 0: from the beginning.
        saved_step: of the last checkpoint in the log; None: the log has none.
        steps: are done again.
        evaluations: are done again.
    """

    resume_step: int
    saved_step: int | None
    steps: int
    evaluations: int

    @property
    def restarts(self) -> bool:
        """Whether nothing of the training is left."""
        return self.resume_step == 0

    def text(self) -> str:
        """A sentence without its full stop."""
        lost = count(self.steps, "step")
        if self.evaluations:
            lost += f" and {count(self.evaluations, 'evaluation')}"
        if self.saved_step is None:
            return f"the log has {lost}, and no checkpoint was saved yet; training begins again from step 0"
        if self.restarts:
            return (
                f"the log has {lost} and a checkpoint of step {self.saved_step:,}, "
                "and checkpoints/ has none; training begins again from step 0"
            )
        return (
            f"the checkpoint of step {self.saved_step:,} is not there, the newest is of step "
            f"{self.resume_step:,}; {lost} of the log {'is' if lost == '1 step' else 'are'} done again"
        )


def lost_work(state: RunState, newest: int | None) -> LostWork | None:
    """What a run loses beyond the steps since its last checkpoint; None: nothing.

    Args:
        state: of a run that is not being trained.
        newest: the step of the checkpoint to continue from; None: there is none.
    """
    saved = max((checkpoint.step for checkpoint in state.checkpoints), default=None)
    if newest is None:
        if not state.step:
            return None
    elif saved is None or saved <= newest:
        return None
    resume = newest or 0
    evaluations = sum(evaluation.step > resume for evaluation in state.evaluations)
    return LostWork(resume, saved, state.step - resume, evaluations)


def newest_step(run: RunDirectory) -> int | None:
    """The step of the newest checkpoint by name, whole or damaged; None: there is none.

    Raises:
        OSError: the folder cannot be read.
    """
    with RunFolder(run.checkpoints) as folder:
        names = folder.names()
    return max((step for name in names if (step := checkpoint_step(name)) is not None), default=None)


def work_lost_by_resuming(run: RunDirectory, state: RunState) -> LostWork | None:
    """`lost_work` before a trainer starts; None also where the checkpoints cannot be read: it reports that.

    Args:
        run: is not being trained.
        state: its state.
    """
    try:
        return lost_work(state, newest_step(run))
    except OSError:
        return None
