"""Views that are drawn on the device and replayed are those that the CPU draws, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest
import torch
from recording import Repeated
from torch import Tensor

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.data.device_views import device_views
from wmse_tui.engine.data.plan import ViewPlan, plan_views
from wmse_tui.engine.data.recorded_views import WARM_UP
from wmse_tui.engine.data.resident import ResidentBatches
from wmse_tui.engine.data.view_parameters import ViewParameters, concatenate

CPU = torch.device("cpu")
IMAGES, BATCH = 60, 16
GREY_LEVELS = 255
LAWS: dict[str, tuple[str, ...]] = {
    "the paper's": (),
    "four views": ("augmentation.views=4",),
    "blurred and inverted": ("augmentation.blur_p=0.5", "augmentation.invert_p=0.2"),
    "crops alone": ("augmentation.jitter_p=0.0", "augmentation.grayscale_p=0.0"),
    "contrast alone": ("augmentation.brightness=0", "augmentation.saturation=0", "augmentation.hue=0"),
    "tiny boxes": ("augmentation.crop_scale=[0.001, 0.05]", "augmentation.crop_ratio=[0.2, 5.0]"),
    "shrunk": ("dataset.crop=20",),
}


def plan_of(*overrides: str) -> ViewPlan:
    return plan_views(
        load_experiment(
            preset="cifar10",
            overrides=(
                "method.whitening_size=8",
                "projector.dim=4",
                f"schedule.batch_size={BATCH}",
                *overrides,
            ),
        )
    )


@pytest.fixture
def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(IMAGES, 3, 9, 9, generator=generator)
    return (torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear") * 255).to(torch.uint8)


def as_written(plan: ViewPlan, pixels: Tensor, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
    """Drawn by the CPU, made as on a GPU; differences in 8-bit grey levels of the normalised views."""
    for rows in plan.batches(IMAGES, epoch=epoch, start_batch=start_batch):
        drawn = concatenate(tuple(plan.parameters(epoch=epoch, indices=rows, heights=32, widths=32)))
        made = device_views(
            pixels, rows.repeat(plan.views), drawn, size=plan.size, mean=plan.mean, std=plan.std
        )
        yield made.unflatten(0, (plan.views, BATCH))


@pytest.mark.parametrize("on_device", [True, False], ids=["on the device", "sent ahead"])
@pytest.mark.parametrize("overrides", LAWS.values(), ids=LAWS)
def test_replayed_views_are_those_as_written(
    overrides: tuple[str, ...], on_device: bool, pixels: Tensor
) -> None:
    plan = plan_of(*overrides)
    recorder: Repeated[Tensor] = Repeated()
    batches = ResidentBatches(pixels, plan, CPU, on_device=on_device, recorder=recorder)
    made = [views for epoch in range(2) for views in batches.epoch(epoch)]
    made += batches.epoch(7, start_batch=2)
    expected = [views for epoch in range(2) for views in as_written(plan, pixels, epoch)]
    expected += as_written(plan, pixels, 7, start_batch=2)
    assert recorder.replays == len(made) - WARM_UP
    scale = GREY_LEVELS * torch.tensor(plan.std)[:, None, None]
    for ours, theirs in zip(made, expected, strict=True):
        assert float((scale * (ours - theirs).abs()).max()) < 0.01


def test_numbers_drawn_from_tensors_are_those_drawn_from_numbers() -> None:
    plan, indices = plan_of(), torch.arange(BATCH) * 1000
    view = torch.arange(2).repeat_interleave(BATCH)
    first, second = (
        plan.draw(epoch=epoch, indices=indices, heights=32, widths=40, view=view)
        for epoch in (2**32 - 1, torch.tensor(2**32 - 1))
    )
    for field in fields(ViewParameters):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name))


def test_what_cannot_be_recorded_is_made_as_written_with_the_reason(pixels: Tensor) -> None:
    class Refusing(Repeated[Tensor]):
        def record(self, compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
            try:
                raise RuntimeError(
                    "CUDA error: operation not permitted when stream is capturing\nSearch for it"
                )
            finally:
                raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    plan, notices = plan_of(), list[str]()
    batches = ResidentBatches(pixels, plan, CPU, on_device=False, recorder=Refusing(), notify=notices.append)
    made = [*batches.epoch(0), *batches.epoch(1)]
    assert notices == [
        "RuntimeError: CUDA error: operation not permitted when stream is capturing Search for it"
    ]
    expected = [*as_written(plan, pixels, 0), *as_written(plan, pixels, 1)]
    for ours, theirs in zip(made, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)
