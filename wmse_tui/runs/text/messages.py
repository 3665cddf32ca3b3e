"""The sentence for each kind of event, shared by every output."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.runs.log.events import (
    Control,
    Damaged,
    DamagedFile,
    Error,
    Evaluation,
    Exit,
    KnnResult,
    LinearResult,
    Notice,
    Phase,
)
from wmse_tui.runs.text.units import count, duration, number, percent, rate, size

_FILES = 3
"""Damaged files that a sentence names."""


def knn_sentence(result: KnnResult) -> str:
    """Return "5-NN 81.20 %", with the metric where it is not the paper's."""
    metric = "" if result.metric == "euclidean" else f" ({result.metric})"
    return f"{result.k}-NN{metric} {percent(result.top1)}"


def linear_sentence(result: LinearResult) -> str:
    """Return "linear 84.01 %", with the top-5 accuracy where there is one."""
    top5 = "" if result.top5 is None else f" (top-5 {percent(result.top5)})"
    return f"linear {percent(result.top1)}{top5}"


def accuracies(evaluation: Evaluation) -> str:
    """Return the accuracies of one evaluation: "5-NN 81.20 %, linear 84.01 % (top-5 99.10 %)"."""
    parts = []
    if evaluation.knn is not None:
        parts.append(knn_sentence(evaluation.knn))
    if evaluation.linear is not None:
        parts.append(linear_sentence(evaluation.linear))
    if evaluation.raw_pixels is not None:
        parts.append(f"raw pixels {percent(evaluation.raw_pixels)}")
    return ", ".join(parts) or "nothing to evaluate"


def evaluation_sentence(evaluation: Evaluation) -> str:
    """Return the line of one evaluation; that of epoch 0 names the untrained encoder."""
    when = "untrained encoder" if evaluation.step == 0 else f"epoch {evaluation.epoch}"
    where = f"{evaluation.train_split} -> {evaluation.test_split}"
    return f"evaluation  {when}: {accuracies(evaluation)}  [{where}, {duration(evaluation.seconds)}]"


def phase_sentence(phase: Phase) -> str:
    """Return what the trainer is doing, and how far it is where that is known."""
    text = PHASES.get(phase.name, phase.name)
    if phase.detail:
        text += f" {phase.detail}"
    if phase.done is None:
        return text
    if phase.unit in ("bytes", "B"):
        done, total = size(phase.done), size(phase.total)
    else:
        done = f"{phase.done:g}"
        total = "-" if phase.total is None else f"{phase.total:g} {phase.unit}".rstrip()
    return f"{text}: {done}" if phase.total is None else f"{text}: {done} of {total}"


PHASES = {
    "start": "starting",
    "download": "downloading",
    "data": "preparing the data",
    "compile": "compiling the networks, which takes a minute or so",
    "graph": "recording a step as a CUDA graph",
    "ranks": "starting the processes of the other devices",
    "trial": "trying one step and one batch of an evaluation",
    "train": "training",
    "evaluate": "evaluating",
    "features": "evaluating: features",
    "batch norm": "evaluating: statistics of batch norm",
    "knn": "evaluating: nearest neighbours",
    "linear": "evaluating: linear probe",
    "lidar": "evaluating: LiDAR",
    "checkpoint": "saving a checkpoint",
    "read": "reading the checkpoint",
    "write": "writing the file",
    "check": "loading the file and comparing its features",
    "paused": "paused",
}


def notice_sentence(notice: Notice) -> str:
    """Return a notice with its level in front unless it is plain information."""
    return f"{'note' if notice.level == 'info' else notice.level}  {notice.text}"


def damaged_sentence(damaged: Damaged) -> str:
    """Return how many images are passed over, and the first of those that are new."""
    return f"damaged  {damaged_text(damaged, damaged.files)}"


def damaged_text(damaged: Damaged, files: Sequence[DamagedFile]) -> str:
    """Return how many images are passed over, and the first of `files`."""
    shown = ", ".join(f"{file.name} ({file.reason})" if file.reason else file.name for file in files[:_FILES])
    more = f" and {len(files) - _FILES:,} more" if len(files) > _FILES else ""
    return f"{damaged.count:,} of {count(damaged.images, 'image')} passed over: {shown}{more}"


def error_sentence(error: Error) -> str:
    """Return what failed, with the code by which it can be looked up."""
    return f"{error.title} [{error.code}]"


def control_sentence(control: Control) -> str:
    """Return the trainer's answer to a request."""
    command = control.command.replace("_", " ")
    return f"request  {command}: {control.outcome}" + (f", {control.text}" if control.text else "")


def exit_sentence(event: Exit) -> str:
    """Return how an attempt ended and how far it was."""
    return f"{event.status}  epoch {event.epoch}, step {event.step}, after {duration(event.seconds)}"


def progress_sentence(
    *,
    epoch: int,
    epochs: int | None,
    step: int,
    total_steps: int | None,
    loss: float | None,
    lr: float | None,
    images_per_second: float | None,
    seconds_left: float | None = None,
) -> str:
    """Return the line of an epoch or of a long epoch's middle."""
    of_epochs = f"/{epochs}" if epochs else ""
    of_steps = f"/{total_steps}" if total_steps else ""
    parts = [f"epoch {epoch}{of_epochs}", f"step {step}{of_steps}", f"loss {number(loss)}"]
    if lr is not None:
        parts.append(f"lr {number(lr, 3)}")
    if images_per_second is not None:
        parts.append(rate(images_per_second))
    if seconds_left is not None:
        parts.append(f"{duration(seconds_left)} left")
    return "  ".join(parts)
