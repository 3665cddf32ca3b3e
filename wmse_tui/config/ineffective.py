"""Options that were changed but have no effect beside the others, each with the reason.

Combinations that are never intended are refused in `problems()`. These can be: a preset sets the width of
hidden layers, and its user removes the layers.
"""

from __future__ import annotations

from collections.abc import Iterator

from wmse_tui.config.methods import SimSiam, WMse
from wmse_tui.config.options import Options
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.schedule import ConstantSchedule, StepSchedule

IN_ONE_FILE = frozenset({"patterns", "cifar10", "cifar100", "stl10"})
STRENGTHS = ("brightness", "contrast", "saturation", "hue")


def ineffective_options(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """(dotted name, reason) of each option without effect that has another value than its default."""
    for section, names, reason in _reasons(experiment):
        options = getattr(experiment, section)
        for name in names:
            if getattr(options, name) != _default(options, name):
                yield f"{section}.{name}", f"without effect: {reason}"


def options_without_effect(experiment: Experiment) -> frozenset[str]:
    """Dotted names of all options that do nothing beside the others, whatever their values."""
    found = {f"{section}.{name}" for section, names, _ in _reasons(experiment) for name in names}
    return frozenset(found | set(_unused(experiment)))


def _unused(experiment: Experiment) -> Iterator[str]:
    """Options whose changes `problems()` refuses beside the others."""
    backbone, method, evaluation = experiment.backbone, experiment.method, experiment.evaluation
    fields = type(backbone).model_fields
    for layer, absent in (("norm", "batch"), ("whitening", "none")):
        if getattr(backbone, layer) == absent:
            of_layer = (name for name in fields if name.startswith(f"{layer}_"))
            yield from (f"backbone.{name}" for name in of_layer if name != "norm_images")
    if backbone.norm != "batch":
        yield "backbone.norm_images"
    if backbone.arch.startswith("cifar_"):
        yield "backbone.stem"
    if backbone.whitening != "iterative":
        yield "backbone.whitening_steps"
    if isinstance(method, WMse):
        if method.operator != "iterative":
            yield "method.steps"
        if method.operator == "none":
            yield from ("method.eps", "method.iterations")
        if method.eps == 0:
            yield "method.relative_eps"
    if evaluation.knn != "cosine":
        yield "evaluation.temperature"
    if evaluation.lidar_images == 0:
        yield "evaluation.lidar_views"


def _reasons(experiment: Experiment) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(section, options, reason) of all options without effect here, changed or not."""
    yield from _of_images(experiment)
    yield from _of_training(experiment)
    yield from _of_evaluation(experiment)
    compute = experiment.compute
    if compute.loader == "auto":
        reason = "where the loader is batched or jpeg, which auto prefers; set compute.loader"
        yield "compute", ("workers",), reason
    if compute.device == "cpu" and compute.compile == "graph":
        yield "compute", ("compile",), "graphs need a GPU; on a CPU it equals auto"


def _of_images(experiment: Experiment) -> Iterator[tuple[str, tuple[str, ...], str]]:
    augmentation, dataset = experiment.augmentation, experiment.dataset
    if dataset.name == "patterns":
        yield "dataset", ("root", "download"), "patterns are generated, not read from a folder"
    if dataset.name in IN_ONE_FILE and dataset.probe_train is None:
        yield "dataset", ("on_damaged", "damaged_limit"), f"{dataset.name} has no image files"
    elif dataset.on_damaged == "stop":
        yield "dataset", ("damaged_limit",), "the first damaged image ends the run"
    if dataset.probe_train is not None:
        yield "dataset", ("held_out",), "probes have folders of their own, so nothing is held out"
    if augmentation.jitter_p == 0:
        yield "augmentation", STRENGTHS, "the probability of jitter is 0"
    elif not any(getattr(augmentation, name) for name in STRENGTHS):
        yield "augmentation", ("jitter_p",), "brightness, contrast, saturation and hue are all 0"
    if augmentation.blur_p == 0:
        yield "augmentation", ("blur_sigma",), "the probability of a blur is 0"


def _of_training(experiment: Experiment) -> Iterator[tuple[str, tuple[str, ...], str]]:
    method, schedule = experiment.method, experiment.schedule
    if experiment.projector.layers == 1:
        yield "projector", ("hidden", "batch_norm"), "a projector of one layer has no hidden ones"
    if isinstance(method, WMse) and method.operator == "none":
        yield "method", ("whitening_size",), "nothing is whitened, and slices do not matter"
    if isinstance(method, SimSiam) and isinstance(schedule, ConstantSchedule) and not schedule.warmup_steps:
        yield "method", ("predictor_rate",), "the learning rate is constant for all weights"
    if isinstance(schedule, StepSchedule):
        if not schedule.milestones:
            yield "schedule", ("gamma",), "there are no milestones at which the learning rate drops"
        elif schedule.gamma == 1:
            yield "schedule", ("milestones", "gamma"), "a drop to the full learning rate changes nothing"


def _of_evaluation(experiment: Experiment) -> Iterator[tuple[str, tuple[str, ...], str]]:
    schedule, evaluation = experiment.schedule, experiment.evaluation
    if not isinstance(schedule, StepSchedule) or not schedule.milestones:
        yield "evaluation", ("every_after_drop",), "the schedule has no milestones, after which it applies"
    if evaluation.knn == "off" and not evaluation.raw_pixels:
        yield "evaluation", ("neighbours",), "k-NN is off"
    if evaluation.linear == "off":
        yield "evaluation", ("linear_epochs", "linear_at"), "the linear probe is off"


def _default(options: Options, name: str) -> object:
    return type(options).model_fields[name].default
