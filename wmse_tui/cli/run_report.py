"""The text of `show`: one run on one screen. A pure function of the run's state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wmse_tui.cli.table_text import aligned
from wmse_tui.cli.transfer_text import saved_transfer_lines
from wmse_tui.config.sections.paper import Paper
from wmse_tui.runs.log.events import DAMAGED_LISTING, Diagnostics, Evaluation, RankLoad, Resources
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import RESUMABLE
from wmse_tui.runs.state.transfer_results import SavedTransfer
from wmse_tui.runs.state.verdict import judge
from wmse_tui.runs.text.messages import damaged_text, error_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import MISSING, count, duration, moment, number, percent, rate, size

ROWS = 12
"""Evaluations shown: of a longer run that of the untrained encoder and the newest ones."""
LABEL = 12


def run_report(state: RunState, paper: Paper | None = None, transfer: Sequence[SavedTransfer] = ()) -> str:
    """Return the summary of a run as sanitised text.

    Args:
        state: the run.
        paper: the published numbers in its configuration.
        transfer: of its encoder to other images.
    """
    blocks = [
        list(_head(state)),
        list(_evaluations(state.evaluations)),
        saved_transfer_lines(transfer),
        list(_tail(state, paper)),
    ]
    return "\n\n".join("\n".join(safe(line).rstrip() for line in block) for block in blocks if block)


def _row(label: str, text: str) -> str:
    return f"{label:{LABEL}}{text}"


def _head(state: RunState) -> Iterator[str]:
    about = state.summary
    yield _row("run", state.run_id)
    yield _row("state", state.status + (f": {state.status_reason}" if state.status_reason else ""))
    if about.title:
        yield _row("title", about.title)
    essentials = f"{about.method} with {about.arch} on {about.dataset}, batches of {about.batch_size}"
    preset = f" (preset {about.preset})" if about.preset else ""
    yield _row(
        "config", about.problem or f"{essentials}, {count(about.epochs, 'epoch')}, seed {about.seed}{preset}"
    )
    setup = state.setup
    if setup is not None:
        yield _row("device", f"{setup.device} ({setup.device_reason}) on {setup.host}")
        yield _row("data", f"{setup.train_images} images ({setup.train_split}), loader {setup.loader}")
    if state.damaged is not None:
        yield _row("damaged", damaged_text(state.damaged, state.damaged_files))
        yield _row("", f"all: {state.path}/artifacts/{DAMAGED_LISTING}")
    yield _row("progress", ", ".join(_progress(state)))
    if state.resources is not None and not state.ended:
        yield _row("load", ", ".join(_load(state.resources)))
        for load in state.resources.ranks:
            where = f"{load.host} {load.gpu}".strip()
            yield _row("", f"rank {load.rank}, {where}: {', '.join(_load(load))}")
    if state.started is not None:
        times = f"started {moment(state.started)}, last event {moment(state.updated)}"
        yield _row("time", f"{times}, {count(state.attempt, 'attempt')}")
    yield _row("path", state.path)


def _progress(state: RunState) -> Iterator[str]:
    yield f"epoch {state.epoch}/{state.epochs or '?'}"
    yield f"step {state.step}/{state.total_steps or '?'}"
    if state.loss.last is not None:
        yield f"loss {number(state.loss.last)}"
    if state.lr is not None:
        yield f"lr {number(state.lr, 3)}"
    if state.ended:
        return
    if state.images_per_second is not None:
        yield rate(state.images_per_second)
    if state.seconds_left is not None:
        yield f"{duration(state.seconds_left)} left"


def _load(used: Resources | RankLoad) -> Iterator[str]:
    """What the trainer or a rank uses of its machine, as far as it is reported."""
    if used.gpu_utilisation is not None:
        yield f"GPU {100 * used.gpu_utilisation:.0f} %"
    if used.gpu_memory is not None and used.gpu_memory_total is not None:
        yield f"GPU memory {size(used.gpu_memory)} of {size(used.gpu_memory_total)}"
    if used.gpu_temperature is not None:
        yield f"{used.gpu_temperature:.0f} °C"
    if used.gpu_power is not None:
        yield f"{used.gpu_power:.0f} W"
    if used.cpu is not None:
        cores = used.cpu_count if isinstance(used, Resources) else 0
        yield f"{used.cpu:.1f} of {count(cores, 'core')}" if cores else f"{used.cpu:.1f} cores"
    if used.memory is not None:
        yield f"memory {size(used.memory)}"


def _embeddings(state: RunState) -> Iterator[str]:
    if not state.diagnostics:
        return
    verdict = judge(state)
    yield _row("embeddings", f"{verdict.name}: {verdict.evidence}")
    for step in verdict.advice:
        yield _row("", f"-> {step}")
    for space in ("projector", "features", "encoder"):
        sample = state.latest(space)
        if sample is not None and sample.rankme is not None:
            yield _row("", f"{space}, step {sample.step}: " + ", ".join(_numbers(sample)))
    if state.norm_weights is not None:
        for layer in state.norm_weights.layers:
            shares = zip(layer.statistics, layer.means, layer.covariances, strict=False)
            texts = (f"{name} {mean:.2f}/{covariance:.2f}" for name, mean, covariance in shares)
            yield _row("norm", f"{layer.layer}: {', '.join(texts)} (weight of means/covariances)")


def _numbers(sample: Diagnostics) -> Iterator[str]:
    """A few numbers of a diagnostics sample, each with that of isotropic noise."""
    nulls = dict(sample.nulls)
    for name, title in (
        ("rankme", "RankMe"),
        ("anisotropy", "anisotropy"),
        ("mean_correlation", "mean correlation"),
        ("alignment", "alignment"),
        ("uniformity", "uniformity"),
        ("lidar", "LiDAR"),
    ):
        value = getattr(sample, name)
        if value is not None:
            null = f" (noise {number(nulls[name], 3)})" if name in nulls else ""
            yield f"{title} {number(value, 3)}{null}"


def _evaluations(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    if not evaluations:
        return
    raw = any(evaluation.raw_pixels is not None for evaluation in evaluations)
    left_out = len(evaluations) - ROWS
    shown = [*evaluations[:1], *evaluations[1 - ROWS :]] if left_out > 0 else list(evaluations)
    heading = ("epoch", "k-NN", "linear", "top-5", *(("pixels",) if raw else ()), "splits")
    rows = [heading, *(_evaluation_cells(evaluation, raw=raw) for evaluation in shown)]
    lines = aligned(rows, right=range(len(heading) - 1))
    if left_out > 0:
        lines.insert(2, f"{'...':>{len('epoch')}}  ({count(left_out, 'row')} left out; --json has all)")
    yield from lines


def _evaluation_cells(evaluation: Evaluation, *, raw: bool) -> tuple[str, ...]:
    note = " (untrained)" if evaluation.step == 0 else ""
    return (
        str(evaluation.epoch),
        percent(evaluation.knn_top1),
        percent(evaluation.linear_top1),
        percent(evaluation.linear_top5),
        *((percent(evaluation.raw_pixels),) if raw else ()),
        f"{evaluation.train_split} -> {evaluation.test_split}{note}",
    )


def _tail(state: RunState, paper: Paper | None) -> Iterator[str]:
    yield from _paper(state, paper)
    yield from _embeddings(state)
    best = next((saved for saved in reversed(state.checkpoints) if "best" in saved.kinds), None)
    for checkpoint in state.checkpoints[-4:]:
        # The log names what was the best when it was saved; only the newest of these still is.
        kinds = (
            ", ".join(kind for kind in checkpoint.kinds if kind != "best" or checkpoint is best) or "was best"
        )
        yield _row(
            "checkpoint", f"{checkpoint.file} ({kinds}), epoch {checkpoint.epoch}, {size(checkpoint.bytes)}"
        )
    for notice in state.notices[-5:]:
        yield _row("note" if notice.level == "info" else notice.level, notice.text)
    if state.unreadable or state.missing:
        unreadable = f"{count(state.unreadable, 'line')} cannot be read"
        yield _row("log", f"{unreadable}, {count(state.missing, 'event')} missing")
    error = state.error
    if error is not None:
        yield _row("error", error_sentence(error))
        for line in error.detail.splitlines():
            yield _row("", line)
        if error.saved:
            yield _row("saved", error.saved)
        for step in error.next:
            yield _row("", f"-> {step}")
    if state.status in RESUMABLE and not state.needs_other_configuration:
        yield _row("resume", f"wmse-tui resume {state.run_id}")


def _paper(state: RunState, paper: Paper | None) -> Iterator[str]:
    """The published numbers beside this run's: those of its last evaluation, as the paper's are."""
    if paper is None or (paper.linear is None and paper.knn is None):
        return
    final = state.final
    linear, knn = (final.linear_top1, final.knn_top1) if final is not None else (None, None)
    yield _row("paper", f"{_beside('linear', paper.linear, linear)}, {_beside('5-NN', paper.knn, knn)}")
    yield _row("", paper.source)
    if final is not None and final.epoch < state.epochs:
        yield _row("", f"not comparable yet: epoch {final.epoch} of {state.epochs}")


def _beside(name: str, published: float | None, here: float | None) -> str:
    return f"{name} {MISSING if published is None else f'{published:.2f} %'} (here {percent(here)})"
