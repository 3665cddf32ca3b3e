"""What is legal in a configuration but unwise, or without effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.figures import (
    condition_text,
    expected_condition_number,
    group_sizes,
    steps_per_epoch,
    total_steps,
    training_images,
)
from wmse_tui.config.ineffective import ineffective_options
from wmse_tui.config.methods import (
    BarlowTwins,
    Byol,
    CwRgp,
    Intl,
    S2r2,
    ShuffledDbn,
    VibcReg,
    VicReg,
    WMse,
    ZeroCl,
)
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.backbone import NEED_RANK
from wmse_tui.config.sections.optimizer import Lars

COLLAPSING = {
    "pca": "whitening onto principal axes is known to collapse (Weng et al. 2022), where cholesky and zca "
    "are not; of use for a comparison only",
    "standardise": "only variances are normalised: dimensions may come to repeat each other; "
    "cholesky and zca keep them apart",
    "iterative": "it whitens only where there is variance: at the size of quickstart embeddings fell onto a "
    "line, with 5 steps as with 10, and not with 20; cholesky and zca keep them apart",
    "none": "nothing keeps the embeddings apart: they are bound to collapse to a point; "
    "of use for a comparison only",
}
LARGE_RELATIVE_EPS = 0.01
LARGE_MATRIX = 1024
LARGE_RANKING = 4096  # views; their cosines take 67 MB
MEMORIES = 3  # of a running average; until so many batches have passed, much of it is what it began with
SHORT_STEP = 1e-5  # of a weight's length; the published recipes of LARS use 1e-4 and more
LARGE_FOR_CPU = ("resnet", "resnext", "wide_")


@dataclass(frozen=True, slots=True)
class Advice:
    """One remark about one option.

    Args:
        path: dotted name of the option.
        level: `warning` where the result suffers, `info` where only time does.
        text: the remark, and what to do instead.
        fix: options and the values, as text, that follow it; empty where a person must decide.
    """

    path: str
    level: Literal["info", "warning"]
    text: str
    fix: tuple[tuple[str, str], ...] = ()


def advise(experiment: Experiment) -> tuple[Advice, ...]:
    """All remarks, warnings first."""
    found = [
        *_whitening(experiment),
        *_layers(experiment),
        *_without_whitening(experiment),
        *_data(experiment),
        *_schedule(experiment),
        *_machine(experiment),
        *(Advice(path, "info", reason) for path, reason in ineffective_options(experiment)),
    ]
    return tuple(sorted(found, key=lambda advice: advice.level != "warning"))


def _whitening(experiment: Experiment) -> Iterator[Advice]:
    method, dim = experiment.method, experiment.projector.dim
    if isinstance(method, CwRgp):
        yield from _groups(method, experiment)
    if isinstance(method, ZeroCl):
        width, things = (
            (dim, "features") if method.variant == "feature" else (experiment.schedule.batch_size, "images")
        )
        if width > LARGE_MATRIX:
            yield Advice(
                "method.variant",
                "warning",
                f"the matrix of {width} {things} is decomposed at every step and view, which takes long",
            )
    if isinstance(method, ShuffledDbn) and method.groups is None:
        batch = experiment.schedule.batch_size
        if 2 * dim <= batch:
            yield Advice(
                "method.groups",
                "info",
                f"a batch of {batch} images whitens all {dim} channels in one group, so nothing is shuffled",
            )
    if isinstance(method, Intl):
        yield from _few_channels(method, experiment)
    if not isinstance(method, WMse):
        return
    size = method.whitening_size
    if method.operator in COLLAPSING:
        yield Advice(
            "method.operator", "warning", COLLAPSING[method.operator], (("method.operator", "cholesky"),)
        )
    if method.relative_eps and method.eps >= LARGE_RELATIVE_EPS and method.operator in ("cholesky", "zca"):
        yield Advice(
            "method.eps",
            "warning",
            f"relative to the variance, {method.eps:g} hides small variances from the loss, and they vanish: "
            "at the size of quickstart embeddings fell onto a line with 0.01; use 1e-4 or less",
            (("method.eps", "1e-4"),),
        )
    if size < 2 * dim and method.operator not in ("standardise", "none"):
        condition = expected_condition_number(dim, size)
        papers = expected_condition_number(dim, 2 * dim)
        yield Advice(
            "method.whitening_size",
            "warning",
            f"{size} images for {dim} dimensions: even of pure noise the covariance has "
            f"{condition_text(condition)}, where the paper's {2 * dim} images have {papers:,.0f}; "
            "expect a noisy loss",
            () if experiment.schedule.batch_size % (2 * dim) else (("method.whitening_size", str(2 * dim)),),
        )
    if method.iterations > 1 and size == experiment.schedule.batch_size:
        yield _one_slice(method.iterations)


def _without_whitening(experiment: Experiment) -> Iterator[Advice]:
    """Losses that do not whiten: missing terms against collapse, and the cost of a step."""
    method = experiment.method
    if isinstance(method, VicReg | VibcReg) and method.variance == 0:
        yield Advice(
            "method.variance",
            "warning",
            "without it the embeddings may collapse to a point, where the other terms are 0",
        )
    if isinstance(method, Byol) and method.momentum == 1:
        yield Advice(
            "method.momentum",
            "warning",
            "the target is never updated: it stays a random network",
        )
    weights = {
        "redundancy": isinstance(method, BarlowTwins) and method.redundancy == 0,
        "covariance": isinstance(method, VicReg) and method.covariance == 0,
        "correlation": isinstance(method, VibcReg) and method.correlation == 0,
    }
    for name, missing in weights.items():
        if missing:
            yield Advice(
                f"method.{name}", "warning", "without it nothing keeps dimensions from repeating each other"
            )
    if isinstance(method, VibcReg) and method.steps and method.groups is not None:
        width = experiment.projector.dim // method.groups
        if width > LARGE_MATRIX:
            yield Advice(
                "method.groups",
                "warning",
                f"groups of {width} channels take long to whiten at every step; published with groups of 32",
            )
    views = experiment.augmentation.views * experiment.schedule.batch_size
    if isinstance(method, S2r2) and views > LARGE_RANKING:
        yield Advice(
            "schedule.batch_size",
            "warning",
            f"each of {views:,} views ranks all others: {4e-9 * views**2:.1f} GB of cosines, several times "
            "over; use a smaller batch, or fewer views",
        )


def _few_channels(method: Intl, experiment: Experiment) -> Iterator[Advice]:
    dim, batch = experiment.projector.dim, experiment.schedule.batch_size
    if method.axis == "channel" and dim <= batch:
        yield Advice(
            "projector.dim",
            "warning",
            f"{batch} images are whitened over {dim} channels, which leaves them in {dim - 1} directions at "
            f"most: their variances cannot reach 1; use more than {batch} channels, or method.axis=batch",
        )
    if method.axis == "batch" and batch <= dim:
        yield Advice(
            "method.axis",
            "warning",
            f"{dim} channels are whitened over {batch} images, which leaves them in {batch - 1} directions "
            "at most: their variances cannot reach 1; use method.axis=channel",
        )


def _groups(method: CwRgp, experiment: Experiment) -> Iterator[Advice]:
    rows, columns, condition = group_sizes(method, experiment)
    if columns < 2 * rows:
        things, over = ("images", "channels") if method.axis == "channel" else ("channels", "images")
        yield Advice(
            "method.groups",
            "warning",
            f"{rows} {things} are whitened over {columns} {over}: even of pure noise the covariance has "
            f"{condition_text(condition)}; the published recipes whiten over {2 * rows} or more",
        )
    one_slice = method.whitening_size == experiment.schedule.batch_size
    if method.iterations > 1 and one_slice and (method.groups == 1 or method.partition == "fixed"):
        yield _one_slice(method.iterations)


def _one_slice(iterations: int) -> Advice:
    text = f"the batch is one slice, so shuffling it {iterations} times changes nothing; 1 is enough"
    return Advice("method.iterations", "info", text, (("method.iterations", "1"),))


def _layers(experiment: Experiment) -> Iterator[Advice]:
    backbone = experiment.backbone
    batch = backbone.images_per_call(experiment.sizes)
    if backbone.norm != "batch":
        side = backbone.smallest_norm_map(experiment.dataset.crop)
        if side * side <= backbone.norm_width:
            yield Advice(
                "backbone.norm",
                "warning",
                f"maps of {side} x {side} px in the third stage leave {backbone.norm_width} channels of a "
                f"group in {side * side - 1} directions at most within an image: use larger views, or "
                "a smaller backbone.norm_width",
            )
    yield from _averages(experiment)
    width = backbone.features // backbone.whitening_groups
    if backbone.whitening in ("iterative", *NEED_RANK) and batch < 2 * width:
        sizes = f"{batch} images whiten {width} features"
        rank = f"which leaves them in {batch - 1} directions at most" if batch <= width else "which is noisy"
        yield Advice(
            "backbone.whitening_groups",
            "info" if backbone.whitening == "iterative" else "warning",
            f"{sizes}, {rank}; {max(1, 2 * width * backbone.whitening_groups // batch)} groups, or a larger "
            "batch, would have two images or more for each feature",
        )
    if backbone.whitening == "standardise":
        yield Advice(
            "backbone.whitening",
            "info",
            "standardise scales features and leaves their correlations; of use for a comparison",
        )


def _averages(experiment: Experiment) -> Iterator[Advice]:
    """Layers that are evaluated by averages over batches, of which a short run has too few."""
    backbone, steps = experiment.backbone, total_steps(experiment)
    for layer, absent in (("norm", "batch"), ("whitening", "none")):
        momentum = getattr(backbone, f"{layer}_momentum")
        if getattr(backbone, layer) != absent and steps is not None and steps * momentum < MEMORIES:
            yield Advice(
                f"backbone.{layer}_momentum",
                "warning",
                f"in {steps:,} steps the averages by which it is evaluated reach "
                f"{1 - (1 - momentum) ** steps:.0%} of their weight: use {MEMORIES / steps:.1g} or more",
                ((f"backbone.{layer}_momentum", f"{MEMORIES / steps:.1g}"),) if steps >= MEMORIES else (),
            )


def _data(experiment: Experiment) -> Iterator[Advice]:
    dataset, images = experiment.dataset, training_images(experiment)
    facts = DATASETS[dataset.name]
    if dataset.name == "stl10" and dataset.train_images is not None and dataset.train_images < 100_000:
        yield Advice(
            "dataset.train_images",
            "warning",
            "STL-10 is meant for learning from its 100,000 unlabelled images; "
            f"{dataset.train_images:,} are few, and the published numbers do not apply",
            (("dataset.train_images", ""),),
        )
    elif dataset.train_images is not None and images is not None and experiment.paper is not None:
        yield Advice(
            "dataset.train_images",
            "warning",
            f"the published number was reached with all images of {facts.title}",
            (("dataset.train_images", ""),),
        )
    crop = dataset.crop if dataset.eval_crop is None else dataset.eval_crop
    if dataset.eval_resize is None and facts.size is not None and crop < 0.75 * facts.size:
        yield Advice(
            "dataset.eval_resize",
            "warning",
            f"only the middle {crop} px of the {facts.size} px test images are evaluated; "
            f"set dataset.eval_resize near {crop}",
            (("dataset.eval_resize", str(crop)),),
        )
    steps = steps_per_epoch(experiment)
    if images is not None and steps is not None:
        left_out = images - steps * experiment.schedule.batch_size
        if left_out > images // 10:
            yield Advice(
                "schedule.batch_size",
                "info",
                f"each epoch leaves out {left_out:,} of {images:,} images, other ones each time, "
                "because they do not fill a batch",
            )
    if dataset.download and facts.archive_bytes >= 10**9:
        yield Advice(
            "dataset.download",
            "info",
            f"{facts.title} is a download of {facts.archive_bytes / 1e9:.1f} GB, unless it is there already; "
            "unpacking it needs as much again",
        )


def _schedule(experiment: Experiment) -> Iterator[Advice]:
    schedule, steps = experiment.schedule, total_steps(experiment)
    if steps is not None and schedule.warmup_steps >= steps:
        yield Advice(
            "schedule.warmup_steps",
            "warning",
            f"the run ends after {steps:,} steps, inside its warm-up of {schedule.warmup_steps:,}: "
            "the learning rate never reaches optimizer.lr",
            (("schedule.warmup_steps", str(steps // 10)),),
        )
    optimizer = experiment.optimizer
    if isinstance(optimizer, Lars):
        step = optimizer.trust * (1 if optimizer.clip else optimizer.lr)
        if step < SHORT_STEP:
            yield Advice(
                "optimizer.lr",
                "warning",
                f"with optimizer.trust={optimizer.trust:g} LARS moves a weight by {step:.0e} of its length "
                "at a step, which trains slowly; its usual rates are 0.2 and more",
            )
    if experiment.evaluation.knn == "off" and experiment.evaluation.linear == "off":
        yield Advice(
            "evaluation.knn",
            "warning",
            "nothing is evaluated, so the run will show no accuracy",
            (("evaluation.knn", "euclidean"),),
        )
    elif experiment.evaluation.knn == "off" and experiment.evaluation.linear_at == "end":
        yield Advice(
            "evaluation.linear_at",
            "info",
            "without k-NN the run shows no accuracy before its end, and its best checkpoint is the last",
            (("evaluation.knn", "euclidean"), ("evaluation.linear_at", "every")),
        )


def _machine(experiment: Experiment) -> Iterator[Advice]:
    device, arch = experiment.compute.device, experiment.backbone.arch
    if device == "cpu" and arch.startswith(LARGE_FOR_CPU):
        yield Advice(
            "backbone.arch",
            "warning",
            f"{arch} on a CPU takes very long; the small CIFAR ResNets "
            "(cifar_resnet8, cifar_resnet20) suit one",
        )
    if device == "cpu" and experiment.compute.precision == "bfloat16":
        yield Advice("compute.precision", "info", "bfloat16 is slow on most CPUs; float32 is the safe choice")
    if device != "cpu" and experiment.compute.compile == "graph" and needs_eigenvectors(experiment):
        yield Advice(
            "compute.compile",
            "info",
            "eigenvectors synchronise with the device, which a graph cannot: networks are compiled, "
            "steps are not recorded",
        )


def needs_eigenvectors(experiment: Experiment) -> bool:
    """Whether a step on a GPU needs the eigenvectors of a matrix, so that it cannot be recorded."""
    return isinstance(experiment.method, WMse) and experiment.method.operator == "pca"
