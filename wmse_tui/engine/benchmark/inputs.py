"""The stages before the first layer: augmented views, by one core and by the pipeline as a whole."""

from __future__ import annotations

import itertools
import math
import time
from contextlib import closing

import torch
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.paper_reference import augment_one_by_one, batches_of_workers, view_transform
from wmse_tui.engine.benchmark.rounds import Row, Stopwatch, processor_seconds, time_rounds
from wmse_tui.engine.data.batched import make_views
from wmse_tui.engine.data.pipelines import Batches, build_batches
from wmse_tui.engine.data.plan import ViewPlan, plan_views
from wmse_tui.engine.profiling.image_cache import CachedImages, ImageCache
from wmse_tui.engine.profiling.threads import threads
from wmse_tui.engine.profiling.timed_steps import endless

IMAGES = 2048  # used by the measurements; a batch at least
AT_ONCE = {32: 1024, 64: 512, 96: 256}  # images in one measurement of augmentation, by their side
REFERENCE_WORKERS = 2


def load_images(experiment: Experiment) -> CachedImages:
    """Images of the experiment's data set, or patterns of the same size where it is not on this machine."""
    return ImageCache().get(experiment, least=max(IMAGES, experiment.schedule.batch_size))


def augmentation(experiment: Experiment, loaded: CachedImages, *, rounds: int, compare: bool) -> Row | None:
    """One view of each of some images by one thread, in processor seconds; None: images not in memory."""
    pixels, plan = loaded.train.pixels, plan_views(experiment)
    if pixels is None:
        return None
    side = max(pixels.shape[2:])
    count = min(len(pixels), AT_ONCE.get(side, 64))
    rows = torch.arange(count)
    part = pixels[:count].contiguous()
    pillow_images = [loaded.train.image(index) for index in range(count)]
    transform = view_transform(plan)
    epochs = itertools.count(1)

    def ours() -> float:
        epoch = next(epochs)
        return processor_seconds(lambda: _views(part, rows, plan, epoch=epoch))

    def theirs() -> float:
        return processor_seconds(lambda: augment_one_by_one(pillow_images, transform))

    with threads(1):
        return time_rounds(
            "augmentation",
            f"{side} to {plan.size} pixels, one thread, processor seconds",
            ours,
            theirs if compare else None,
            rounds=rounds,
            work=count,
            unit="views",
            against="Pillow and torchvision, one image at a time",
            note=_of_what(loaded),
        )


def _views(pixels: Tensor, rows: Tensor, plan: ViewPlan, *, epoch: int) -> Tensor:
    height, width = pixels.shape[2:]
    drawn = next(iter(plan.parameters(epoch=epoch, indices=rows, heights=height, widths=width)))
    return make_views(pixels, rows, (drawn,), size=plan.size, mean=plan.mean, std=plan.std)[0]


def pipeline(
    experiment: Experiment, loaded: CachedImages, device: torch.device, *, rounds: int, compare: bool
) -> Row:
    """Whole batches, ready on the device; on a CPU by half of the cores, against two worker processes."""
    plan, watch = plan_views(experiment), Stopwatch(device)
    cores = max(1, torch.get_num_threads() // 2) if device.type == "cpu" else torch.get_num_threads()
    with threads(cores), closing(build_batches(loaded.train, experiment, device)) as batches:
        source = endless(batches)
        theirs = batches_of_workers(loaded.train, plan, workers=REFERENCE_WORKERS) if compare else None
        ahead = 2 * REFERENCE_WORKERS  # batches that the workers prefetch
        taken = 2 * ahead if compare else 2

        def reference() -> float:
            assert theirs is not None
            for _ in range(ahead):  # prefetched batches would cost nothing
                next(theirs)
            spent = watch(lambda: [torch.stack(next(theirs)).to(device) for _ in range(taken)])
            time.sleep(1.5 * spent * ahead / taken)  # until they are prefetched again, and the cores idle
            return spent

        return time_rounds(
            "input",
            f"batches of {plan.batch_size} x {plan.views} views, {batches.kind}, {_threads(cores, device)}",
            lambda: watch(lambda: [next(source) for _ in range(taken)]),
            reference if compare else None,
            rounds=max(1, math.ceil(rounds / 2)),
            work=taken * plan.batch_size * plan.views,
            unit="views",
            against=f"a DataLoader with {REFERENCE_WORKERS} worker processes",
            note=f"{batches.reason}; {_of_what(loaded)}",
        )


def some_batches(
    experiment: Experiment, loaded: CachedImages, device: torch.device, count: int
) -> list[Tensor]:
    """A few batches of views on the device."""
    batches: Batches
    with closing(build_batches(loaded.train, experiment, device)) as batches:
        source = endless(batches)
        return [next(source) for _ in range(count)]


def _threads(count: int, device: torch.device) -> str:
    return f"{count} thread{'s' if count > 1 else ''}" if device.type == "cpu" else device.type


def _of_what(loaded: CachedImages) -> str:
    return f"images of {loaded.source}" + (f" ({loaded.why})" if loaded.why else "")
