"""`show` in words: one run on one screen, folded from its log. A pure function of the view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wmse_tui.config.sections.paper import Paper
from wmse_tui.runs.log.events import Diagnostics, Evaluation, Resources
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import RESUMABLE
from wmse_tui.runs.text.messages import error_sentence
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import MISSING, count, duration, moment, number, percent, rate, size

ROWS = 12
"""Evaluations shown; of a longer run the untrained encoder's and the newest ones."""
LABEL = 12


def run_report(view: RunState, paper: Paper | None = None) -> str:
    """Return the summary of a run as safe text.

    Args:
        view: the run.
        paper: the published numbers that its configuration carries.
    """
    blocks = [list(_head(view)), list(_evaluations(view.evaluations)), list(_tail(view, paper))]
    return "\n\n".join("\n".join(safe(line).rstrip() for line in block) for block in blocks if block)


def _row(label: str, text: str) -> str:
    return f"{label:{LABEL}}{text}"


def _head(view: RunState) -> Iterator[str]:
    about = view.summary
    yield _row("run", view.run_id)
    yield _row("state", view.status + (f": {view.status_reason}" if view.status_reason else ""))
    if about.title:
        yield _row("title", about.title)
    essentials = f"{about.method} with {about.arch} on {about.dataset}, batches of {about.batch_size}"
    preset = f" (preset {about.preset})" if about.preset else ""
    yield _row(
        "config", about.problem or f"{essentials}, {count(about.epochs, 'epoch')}, seed {about.seed}{preset}"
    )
    setup = view.setup
    if setup is not None:
        yield _row("device", f"{setup.device} ({setup.device_reason}) on {setup.host}")
        yield _row("data", f"{setup.train_images} images ({setup.train_split}), loader {setup.loader}")
    yield _row("progress", ", ".join(_progress(view)))
    if view.resources is not None and not view.ended:
        yield _row("load", ", ".join(_load(view.resources)))
    if view.started is not None:
        begun = f"begun {moment(view.started)}"
        yield _row("time", f"{begun}, last event {moment(view.updated)}, {count(view.attempt, 'attempt')}")
    yield _row("path", view.path)


def _progress(view: RunState) -> Iterator[str]:
    yield f"epoch {view.epoch}/{view.epochs or '?'}"
    yield f"step {view.step}/{view.total_steps or '?'}"
    if view.loss.last is not None:
        yield f"loss {number(view.loss.last)}"
    if view.lr is not None:
        yield f"lr {number(view.lr, 3)}"
    if view.ended:
        return
    if view.images_per_second is not None:
        yield rate(view.images_per_second)
    if view.seconds_left is not None:
        yield f"{duration(view.seconds_left)} left"


def _load(used: Resources) -> Iterator[str]:
    """What the trainer uses of the machine, as far as that was told."""
    if used.gpu_utilisation is not None:
        yield f"GPU {100 * used.gpu_utilisation:.0f} %"
    if used.gpu_memory is not None and used.gpu_memory_total is not None:
        yield f"GPU memory {size(used.gpu_memory)} of {size(used.gpu_memory_total)}"
    if used.gpu_temperature is not None:
        yield f"{used.gpu_temperature:.0f} °C"
    if used.gpu_power is not None:
        yield f"{used.gpu_power:.0f} W"
    if used.cpu is not None:
        yield f"{used.cpu:.1f} of {count(used.cpu_count, 'core')}"
    if used.memory is not None:
        yield f"memory {size(used.memory)}"


def _embeddings(view: RunState) -> Iterator[str]:
    if not view.diagnostics:
        return
    verdict = view.verdict
    yield _row("embeddings", f"{verdict.name}: {verdict.evidence}")
    for step in verdict.advice:
        yield _row("", f"-> {step}")
    for space in ("projector", "features", "encoder"):
        told = view.latest(space)
        if told is not None and told.rankme is not None:
            yield _row("", f"{space}, step {told.step}: " + ", ".join(_numbers(told)))
    if view.norm_weights is not None:
        for layer in view.norm_weights.layers:
            shares = zip(layer.statistics, layer.means, layer.covariances, strict=False)
            texts = (f"{name} {mean:.2f}/{covariance:.2f}" for name, mean, covariance in shares)
            yield _row("norm", f"{layer.layer}: {', '.join(texts)} (weight of means/covariances)")


def _numbers(told: Diagnostics) -> Iterator[str]:
    """A few numbers of one look, each beside that of isotropic noise."""
    nulls = dict(told.nulls)
    for name, title in (
        ("rankme", "RankMe"),
        ("anisotropy", "anisotropy"),
        ("mean_correlation", "mean correlation"),
        ("alignment", "alignment"),
        ("uniformity", "uniformity"),
        ("lidar", "LiDAR"),
    ):
        value = getattr(told, name)
        if value is not None:
            null = f" (noise {number(nulls[name], 3)})" if name in nulls else ""
            yield f"{title} {number(value, 3)}{null}"


def _evaluations(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    if not evaluations:
        return
    raw = any(evaluation.raw_pixels is not None for evaluation in evaluations)
    yield (
        f"{'epoch':>6}  {'k-NN':>8}  {'linear':>8}  {'top-5':>8}"
        + (f"  {'pixels':>8}" if raw else "")
        + "  splits"
    )
    left_out = len(evaluations) - ROWS
    shown = [*evaluations[:1], *evaluations[1 - ROWS :]] if left_out > 0 else list(evaluations)
    for place, evaluation in enumerate(shown):
        if place == 1 and left_out > 0:
            yield f"{'...':>6}  ({count(left_out, 'row')} left out; --json has all)"
        yield _evaluation_row(evaluation, raw=raw)


def _evaluation_row(evaluation: Evaluation, *, raw: bool) -> str:
    cells = [
        f"{evaluation.epoch:>6}",
        f"{percent(evaluation.knn_top1):>8}",
        f"{percent(evaluation.linear_top1):>8}",
        f"{percent(evaluation.linear_top5):>8}",
    ]
    if raw:
        cells.append(f"{percent(evaluation.raw_pixels):>8}")
    note = " (untrained)" if evaluation.step == 0 else ""
    return "  ".join(cells) + f"  {evaluation.train_split} -> {evaluation.test_split}{note}"


def _tail(view: RunState, paper: Paper | None) -> Iterator[str]:
    yield from _paper(view, paper)
    yield from _embeddings(view)
    best = next((saved for saved in reversed(view.checkpoints) if "best" in saved.kinds), None)
    for checkpoint in view.checkpoints[-4:]:
        # The log says what was best when it was saved; here the best of now is.
        kinds = (
            ", ".join(kind for kind in checkpoint.kinds if kind != "best" or checkpoint is best) or "was best"
        )
        yield _row(
            "checkpoint", f"{checkpoint.file} ({kinds}), epoch {checkpoint.epoch}, {size(checkpoint.bytes)}"
        )
    for notice in view.notices[-5:]:
        yield _row("note" if notice.level == "info" else notice.level, notice.text)
    if view.unreadable or view.missing:
        unreadable = f"{count(view.unreadable, 'line')} cannot be read"
        yield _row("log", f"{unreadable}, {count(view.missing, 'event')} missing")
    error = view.error
    if error is not None:
        yield _row("error", error_sentence(error))
        for line in error.detail.splitlines():
            yield _row("", line)
        if error.saved:
            yield _row("saved", error.saved)
        for step in error.next:
            yield _row("", f"-> {step}")
    if view.status in RESUMABLE:
        yield _row("go on", f"wmse-tui resume {view.run_id}")


def _paper(view: RunState, paper: Paper | None) -> Iterator[str]:
    """The published numbers beside this run's: those of its last evaluation, as the paper's are."""
    if paper is None or (paper.linear is None and paper.knn is None):
        return
    final = view.final
    linear, knn = (final.linear_top1, final.knn_top1) if final is not None else (None, None)
    yield _row("paper", f"{_beside('linear', paper.linear, linear)}, {_beside('5-NN', paper.knn, knn)}")
    yield _row("", paper.source)
    if final is not None and final.epoch < view.epochs:
        yield _row("", f"not comparable yet: epoch {final.epoch} of {view.epochs}")


def _beside(name: str, published: float | None, here: float | None) -> str:
    return f"{name} {MISSING if published is None else f'{published:.2f} %'} (here {percent(here)})"
