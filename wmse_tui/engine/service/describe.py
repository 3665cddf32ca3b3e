"""The answer to "describe": what an experiment is in numbers, from its configuration and this machine alone.

parameters      {"encoder", "head", "target", "total"}; target: copies that follow without learning
gflop_per_view  forward, encoder and head; a multiply-add is two FLOP, and only convolutions and matrix
                products count
gflop           {"encoder", "head"} of a view, forward; {"step"}: all views, forward and backward
feature_dim     of the encoder
stem            that the encoder has
memory          {"total", "ranks", "parts": [{"name", "bytes", "text"}, ...]}: bytes of a training step on
                the device; the total is the sum of the parts. With several ranks: on each GPU, or of all
                processes on the CPU
device          {"type", "name", "reason", "memory", "free"}; type null: it cannot be used, for this reason
notices         [{"path", "level", "text"}, ...] as `config/advice.py` has them
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wmse_tui.config.advice import Advice
from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.figures import training_images
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.placement import DEVICE_SHARE
from wmse_tui.engine.errors import DeviceError
from wmse_tui.engine.main_memory import Memory
from wmse_tui.engine.models import resolve_stem
from wmse_tui.engine.profiling.dry_run import DryRun, dry_run
from wmse_tui.engine.profiling.memory import memory_of
from wmse_tui.engine.profiling.threads import QUIET_THREADS, threads, trainer_device
from wmse_tui.engine.service.worker import Job
from wmse_tui.engine.training.device import ChosenDevice, faster_options
from wmse_tui.runs.text.units import size

if TYPE_CHECKING:
    from wmse_tui.engine.profiling.image_cache import ImageCache

LIBRARIES = {"cpu": 150 * 2**20, "cuda": 512 * 2**20}
"""What the libraries allocate beside the tensors of a step.

On the CPU it was 130 to 175 MB in five configurations (W-MSE and BYOL; ResNet-18 at 32 and 224 px, CIFAR
ResNets 8 and 20; torch 2.15, AMD EPYC, 2 threads). With it the total was within 6 % of the measured peak in
these five, and 15 % below it in a sixth (ResNet-8, 256 images of 32 px). On a GPU it is the usual size of a
CUDA context with its kernels, not a measurement.
"""

OPTIMIZER_NUMBERS = {"adam": 2, "adamw": 2, "sgd": 1, "lars": 1}
"""How many numbers an optimiser stores for each parameter."""


GRAPH_POOL = 0.11
"""Of the activations: what torch's allocator reserves with a recorded step beyond the other parts, at most.

The pool of a CUDA graph is its own for ever, and its blocks serve nothing else. Counted by the allocator with
bfloat16: 7 % for cifar10, with W-MSE's Cholesky factors or the iterates of the symmetric root, and for
imagenet100, 10 % for stl10 and tiny_imagenet."""

VIEWS_POOL = 13
"""Times the batch of views, if images are as large as they: the pool of the recorded making of views.

What is resized first is as large as its images. Counted likewise: 11 for imagenet100, 12 for tiny_imagenet,
and for stl10, whose images have 2.25 times the pixels of its views, 24; 18 for cifar10, whose 0.2 GB are
few of the allocator's segments."""


def describe_experiment(experiment: Experiment, job: Job, images: ImageCache) -> dict[str, Any]:  # noqa: ARG001
    """The fields of the answer; it needs no `images`."""
    with threads(QUIET_THREADS):
        step = dry_run(experiment, check=job.check)
        ranks = experiment.compute.ranks
        share = dry_run(experiment, check=job.check, ranks=ranks) if ranks > 1 else None
    device, refusal = _device(experiment)
    memory = None if device is None else memory_of(device.torch)
    parts = memory_parts(experiment, step, device, memory, share=share)
    total = sum(part["bytes"] for part in parts)
    backbone, crop = experiment.backbone, experiment.dataset.crop
    return {
        "parameters": {
            "encoder": step.encoder_parameters,
            "head": step.head_parameters,
            "target": step.target_parameters,
            "total": step.encoder_parameters + step.head_parameters + step.target_parameters,
        },
        "gflop_per_view": (step.encoder_flops + step.head_flops) / 1e9,
        "gflop": {
            "encoder": step.encoder_flops / 1e9,
            "head": step.head_flops / 1e9,
            "step": step.step_flops / 1e9,
        },
        "feature_dim": step.feature_dim,
        "stem": resolve_stem(backbone.stem, backbone.arch, crop),
        "memory": {"total": total, "ranks": ranks, "parts": parts},
        "device": {
            "type": None if device is None else device.torch.type,
            "name": "" if device is None else device.name,
            "reason": refusal if device is None else device.reason,
            "memory": None if memory is None else memory.total,
            "free": None if memory is None else memory.free,
        },
        "notices": notices_of(_notices(experiment, device, memory, total, refusal)),
    }


def notices_of(found: Iterator[Advice]) -> list[dict[str, str]]:
    """Advice as the answer's lines hold it."""
    return [{"path": notice.path, "level": notice.level, "text": notice.text} for notice in found]


def memory_parts(
    experiment: Experiment,
    step: DryRun,
    device: ChosenDevice | None,
    memory: Memory | None,
    *,
    share: DryRun | None = None,
) -> list[dict[str, Any]]:
    """What a training step holds on the device, each part at its own peak.

    On a CUDA device it is the part of one rank, whose GPU is its own; on the CPU that of all, which are on
    one machine.

    Args:
        step: of the whole batch.
        device, memory: of rank 0; None: it cannot be used.
        share: of it the part of one of several ranks, where they train; None: one device does.
    """
    ranks = 1 if share is None else experiment.compute.ranks
    kind = "cpu" if device is None else device.torch.type
    numbers = OPTIMIZER_NUMBERS[experiment.optimizer.name]
    resident, why = _images(experiment, kind, memory)
    views = experiment.augmentation.views * experiment.schedule.batch_size
    copies, shares = (1, ranks) if kind == "cuda" else (ranks, 1)
    where = "" if ranks == 1 else " per GPU" if kind == "cuda" else f" in each of {ranks} processes"
    of_views = f"{views // ranks:,} views per GPU" if shares > 1 else f"{views:,} views"
    parts = [
        ("weights", copies * step.weights, f"parameters and buffers of all networks{where}"),
        ("gradients", copies * step.gradients, f"one number for each parameter that learns{where}"),
        (
            "optimizer",
            copies * numbers * step.gradients,
            f"{experiment.optimizer.name} stores {numbers} for each",
        ),
        ("activations", step.activations // shares, f"what the backward pass of {of_views} needs"),
        (
            "views",
            step.views // shares,
            "the batch itself" if ranks == 1 else f"the batch itself, {of_views}",
        ),
        ("workspace", step.workspace // shares, "copies that the largest convolution works on"),
        ("images", copies * resident, f"{why}{where}" if resident else why),
        (
            "libraries",
            copies * LIBRARIES[kind],
            f"the CUDA context{where}" if kind == "cuda" else f"of torch's libraries{where}",
        ),
    ]
    if share is not None:
        gathered = 2 * copies * 4 * views * experiment.projector.dim
        whole = copies * share.activations - gathered - step.activations // shares
        parts.append(("gathered", gathered, "embeddings of all ranks, and their gradient"))
        parts.append(("loss", max(0, whole), "what each rank computes of the whole batch, beyond its part"))
    if kind == "cuda" and experiment.compute.compile == "graph":
        pool = GRAPH_POOL * step.activations
        if experiment.compute.loader != "workers":
            side = DATASETS[experiment.dataset.name].size or 0
            pool += VIEWS_POOL * step.views * max(1.0, side / experiment.dataset.crop) ** 2
        parts.append(("graph", int(pool), "what the pools of the recorded step and views cannot share"))
    return [{"name": name, "bytes": count, "text": text} for name, count, text in parts]


def _images(experiment: Experiment, kind: str, memory: Memory | None) -> tuple[int, str]:
    """Bytes of the images that stay on the device, and why so many."""
    dataset, facts = experiment.dataset, DATASETS[experiment.dataset.name]
    images = training_images(experiment)
    if images is None or facts.size is None:
        return 0, "read from files as they are needed, as far as is known"
    each = facts.channels * facts.size**2
    if kind == "cuda":
        if experiment.compute.loader == "workers":
            return 0, "they stay in main memory, with the workers"
        if memory is not None and images * each > DEVICE_SHARE * memory.free:
            return 0, f"{size(images * each)} stay in main memory: more than half of the device's free memory"
        return images * each, f"{images:,} training images as bytes"
    others = (dataset.test_images or facts.test_images or 0) if dataset.probe_test is None else 0
    if facts.probe_split != facts.train_split:
        others += facts.probe_train_images or 0
    return (images + others) * each, f"{images + others:,} images as bytes"


def _device(experiment: Experiment) -> tuple[ChosenDevice | None, str]:
    try:
        return trainer_device(experiment.compute.first_device), ""
    except DeviceError as error:
        return None, f"{error.title}: {error.detail}"


def _notices(
    experiment: Experiment, device: ChosenDevice | None, memory: Memory | None, total: int, refusal: str
) -> Iterator[Advice]:
    if device is None or memory is None:
        yield Advice("compute.device", "warning", refusal)
        return
    if device.warning:
        yield Advice("compute.device", "warning", device.warning)
    faster = faster_options(experiment, device)
    if faster:
        yield Advice("compute.precision", "info", faster)
    if total <= memory.free:
        return
    compute = experiment.compute
    half = device.torch.type == "cuda" and compute.precision == "float32"
    remedy = "use a smaller schedule.batch_size" + (", or compute.precision=bfloat16" if half else "")
    each = " per GPU" if compute.ranks > 1 and device.torch.type == "cuda" else ""
    need = f"a step needs about {size(total)}{each}"
    if total > memory.total:
        text = f"{need}, more than the {size(memory.total)} of {device.name}: {remedy}"
        yield Advice("schedule.batch_size", "warning", text)
    else:
        text = f"{need}; {device.name} has {size(memory.total)}, but only {size(memory.free)} are free now"
        yield Advice("compute.device", "warning", text)
