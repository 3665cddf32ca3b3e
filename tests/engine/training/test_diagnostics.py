"""What is reported between the losses: in order, by the clock, of the same embeddings that the loss had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from events import read_log
from torch import Tensor

from wmse_tui.config.methods import SimClr, WMse
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.backbone import Backbone
from wmse_tui.config.sections.projector import Projector
from wmse_tui.engine.diagnostics.noise import noise_lidar
from wmse_tui.engine.diagnostics.quantities import smallest_pivot
from wmse_tui.engine.diagnostics.sample import sample_diagnostics
from wmse_tui.engine.methods import build_method
from wmse_tui.engine.training import diagnostics as module
from wmse_tui.engine.training.diagnostics import TrainingDiagnostics
from wmse_tui.engine.training.loop import TrainingLoop
from wmse_tui.engine.training.resources import ResourceMonitor
from wmse_tui.engine.training.session import run_session
from wmse_tui.engine.training.telemetry import NonFiniteLoss
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Artifact, Diagnostics, Event, NormWeights, Notice, Resources, Steps

MakeRun = Callable[..., RunDirectory]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FixedLoad(ResourceMonitor):
    """Says that two cores are busy, or nothing."""

    def __init__(self, empty: bool = False) -> None:
        self.empty = empty

    def read(self, step: int) -> Resources | None:
        return None if self.empty else Resources(step=step, cpu=2.0)


def experiment(method: WMse | SimClr) -> Experiment:
    return Experiment(
        seed=3, backbone=Backbone(arch="cifar_resnet8"), projector=Projector(dim=4, hidden=8), method=method
    )


def diagnostics_of(
    events: list[Any], clock: Clock, method: WMse | SimClr | None = None, *, empty: bool = False
) -> TrainingDiagnostics:
    built = build_method(experiment(method or WMse(whitening_size=16)))
    return TrainingDiagnostics(built, seed=3, resources=FixedLoad(empty), write=events.append, clock=clock)


def noise(batch: int = 512) -> Tensor:
    return torch.randn(2, batch, 4, generator=torch.Generator().manual_seed(0))


def test_the_losses_come_first_and_the_clock_decides() -> None:
    clock, events = Clock(), list[Any]()
    sampler = diagnostics_of(events, clock)
    for step in range(1, 31):
        sampler.after_step(noise(), step=step, epoch=0, flush=lambda step=step: events.append(step))  # type: ignore[misc]
        clock.now += 0.25
    kinds = [event if isinstance(event, int) else type(event).__name__ for event in events]
    assert kinds[:6] == [1, "Diagnostics", "Resources", 5, "Diagnostics", "Resources"]
    assert [event for event in events if isinstance(event, int)] == [1, 5, 9, 13, 17, 21, 25, 29]


@pytest.mark.parametrize("seconds", [(0.02, 0.2), (3.0, 3.0)])
def test_all_samples_together_cost_less_than_a_fiftieth_of_the_time(
    seconds: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both spaces, each with its own time budget; after the first sample of each, which comes at once."""
    clock, spent = Clock(), list[float]()

    def slow(embeddings: Tensor, **options: Any) -> Diagnostics:
        spent.append(seconds[options["space"] == "features"])
        clock.now += spent[-1]
        return sample_diagnostics(embeddings, **options)

    monkeypatch.setattr(module, "sample_diagnostics", slow)
    built = build_method(experiment(SimClr()))
    sampler = TrainingDiagnostics(built, seed=3, resources=FixedLoad(True), write=lambda _: None, clock=clock)
    for step in range(1, 1500):
        built.features = torch.zeros(2, 2, 3)
        sampler.after_step(torch.zeros(2, 2, 3), step=step, epoch=0, flush=lambda: None)
        clock.now += 1.0
    assert len(spent) > 10
    assert sum(spent) - sum(seconds) <= 0.02 * clock.now


def test_a_loss_that_is_not_finite_is_reported_before_anything_is_sampled() -> None:
    events: list[Event] = []
    sampler = diagnostics_of(events, Clock())

    def flush() -> None:
        raise NonFiniteLoss(1, float("nan"))

    with pytest.raises(NonFiniteLoss):
        sampler.after_step(noise(), step=1, epoch=0, flush=flush)
    assert events == []


def test_condition_and_pivot_are_of_the_slices_of_that_step() -> None:
    events: list[Any] = []
    options = WMse(whitening_size=16, iterations=2, eps=0.1)
    diagnostics_of(events, Clock(), options).after_step(noise(), step=5, epoch=1, flush=lambda: None)
    method = build_method(experiment(options))
    slices, eps = method.whitening_input(noise(), step_key=(3, 5))  # type: ignore[misc]
    assert (slices.shape, eps) == ((2, 2, 32, 16, 4), 0.1)
    event = next(event for event in events if isinstance(event, Diagnostics))
    assert (event.space, event.step, event.epoch, event.samples, event.dim) == ("projector", 5, 1, 512, 4)
    assert event.smallest_pivot == smallest_pivot(slices, eps=eps)


def test_a_loss_that_factorises_nothing_has_no_pivot() -> None:
    events: list[Any] = []
    diagnostics_of(events, Clock(), SimClr()).after_step(noise(), step=1, epoch=0, flush=lambda: None)
    assert events[0].smallest_pivot is None
    assert events[0].condition_number < 2


def test_a_machine_without_readings_is_not_reported() -> None:
    events: list[Event] = []
    diagnostics_of(events, Clock(), empty=True).measure(1)
    assert events == []


def test_a_run_reports_its_diagnostics_and_the_machines_load(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=2")
    assert run_session(run.path) == 0
    events = [record.event for record in read_log(run.events)]
    projector = [e for e in events if isinstance(e, Diagnostics) and e.space == "projector"]
    first = projector[0]
    assert (first.step, first.samples, first.dim) == (1, 16, 4)
    assert first.smallest_pivot is not None
    losses = [event for event in events if isinstance(event, Steps)]
    assert events.index(losses[0]) < events.index(first)
    assert losses[0].first + len(losses[0].loss) - 1 == 1
    load = [event for event in events if isinstance(event, Resources)]
    assert load
    assert load[0].cpu_count > 0
    assert load[0].memory is not None
    assert load[0].memory > 50e6


def test_every_evaluation_leaves_the_features_spectrum_and_their_map(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=2", "evaluation.map=tsne")
    assert run_session(run.path) == 0
    events = [record.event for record in read_log(run.events)]
    encoder = [e for e in events if isinstance(e, Diagnostics) and e.space == "encoder"]
    assert [(e.epoch, e.step, e.samples) for e in encoder] == [(0, 0, 40), (1, 6, 40), (2, 12, 40)]
    assert [(e.file, e.step) for e in events if isinstance(e, Artifact)] == [
        ("embedding.npz", 0),
        ("embedding.npz", 6),
        ("embedding.npz", 12),
    ]
    with np.load(run.artifacts / "embedding.npz", allow_pickle=False) as arrays:
        assert arrays["points"].shape == (40, 2)
        assert (int(arrays["step"]), str(arrays["method"])) == (12, "tsne")
        assert len(arrays["classes"]) == 10


def test_a_folder_that_refuses_the_map_ends_nothing(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1")
    run.artifacts.rmdir()
    assert run_session(run.path) == 0
    notices = [record.event for record in read_log(run.events) if isinstance(record.event, Notice)]
    warnings = [notice.code for notice in notices if notice.level == "warning"]
    assert warnings == ["N_MAP_REFUSED"]


def test_sampling_changes_no_bit_of_the_training(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every step, against never."""
    sampled, unsampled = make_run(name="sampled"), make_run("evaluation.map=off", name="unsampled")
    weights: dict[str, list[Tensor]] = {"sampled": [], "unsampled": []}
    at_boundary = TrainingLoop._at_boundary
    current = ""

    def remember(trainer: TrainingLoop) -> None:
        at_boundary(trainer)
        weights[current].append(torch.cat([p.detach().flatten() for p in trainer.method.parameters()]))

    monkeypatch.setattr(TrainingLoop, "_at_boundary", remember)
    with monkeypatch.context() as patch:
        patch.setattr("wmse_tui.engine.training.time_budget.TimeBudget.due", lambda self: True)
        current = "sampled"
        assert run_session(sampled.path) == 0
    with monkeypatch.context() as patch:
        patch.setattr("wmse_tui.engine.training.time_budget.TimeBudget.due", lambda self: False)
        current = "unsampled"
        assert run_session(unsampled.path) == 0
    assert len(weights["sampled"]) == 18
    assert all(torch.equal(*pair) for pair in zip(weights["sampled"], weights["unsampled"], strict=True))
    reported = [record.event for record in read_log(sampled.events) if isinstance(record.event, Diagnostics)]
    assert len([event for event in reported if event.space == "projector"]) == 18


def test_the_features_of_a_step_are_reported_beside_its_embeddings() -> None:
    events: list[Any] = []
    built = build_method(experiment(WMse(whitening_size=16)))
    sampler = TrainingDiagnostics(
        built, seed=3, resources=FixedLoad(True), write=events.append, clock=Clock()
    )
    views = torch.randn(2, 32, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    losses = built(views, step_key=(3, 1))
    encoded: list[Tensor] = []
    built.encoder.register_forward_hook(lambda module, inputs, output: encoded.append(output.detach()))
    built.eval()
    built.encoder(views[0])  # an evaluation belongs to no step
    sampler.after_step(losses.embeddings, step=1, epoch=0, flush=lambda: None)
    projector, features = events
    assert (projector.space, features.space) == ("projector", "features")
    assert (features.samples, features.dim) == (32, 64)
    assert features.contrastive_accuracy is not None
    assert projector.whiteness_error == pytest.approx(0, abs=1e-4)
    assert features.whiteness_error is None


def test_what_an_encoder_whitens_is_measured() -> None:
    events: list[Any] = []
    options = Experiment(
        backbone=Backbone(arch="cifar_resnet8", whitening="zca", whitening_groups=4),
        projector=Projector(dim=4, hidden=8),
        method=SimClr(),
    )
    built = build_method(options)
    sampler = TrainingDiagnostics(
        built, seed=3, resources=FixedLoad(True), write=events.append, clock=Clock()
    )
    views = torch.randn(2, 128, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    sampler.after_step(built(views, step_key=(3, 1)).embeddings, step=1, epoch=0, flush=lambda: None)
    assert events[0].whiteness_error is None
    assert 0.1 < events[1].whiteness_error < 2, "groups are white, and correlate with each other"
    assert dict(events[1].nulls)["whiteness_error"] == 0


def test_views_that_were_encoded_together_are_separated() -> None:
    """In evaluation mode the features of both ways are the same, and so are their diagnostics."""
    reported: dict[Literal["apart", "together"], list[Any]] = {"apart": [], "together": []}
    for way, events in reported.items():
        backbone = Backbone(arch="cifar_resnet8", views=way, whitening="zca", whitening_groups=8)
        built = build_method(
            Experiment(backbone=backbone, projector=Projector(dim=4, hidden=8), method=SimClr())
        )
        sampler = TrainingDiagnostics(
            built, seed=3, resources=FixedLoad(True), write=events.append, clock=Clock()
        )
        views = torch.randn(2, 32, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        built.eval()
        sampler.after_step(built(views, step_key=(3, 1)).embeddings, step=1, epoch=0, flush=lambda: None)
    apart, together = reported["apart"][1], reported["together"][1]
    assert (together.space, together.samples, together.dim) == ("features", 32, 64)
    assert together.alignment == pytest.approx(apart.alignment, rel=1e-4)
    assert together.contrastive_accuracy == apart.contrastive_accuracy


def test_the_weights_of_switchable_norms_are_reported_layer_by_layer() -> None:
    events: list[Any] = []
    options = Experiment(
        backbone=Backbone(arch="resnet18", norm="sw3", norm_width=8), projector=Projector(dim=4, hidden=8)
    )
    built = build_method(options)
    sampler = TrainingDiagnostics(
        built, seed=3, resources=FixedLoad(True), write=events.append, clock=Clock()
    )
    sampler.after_step(noise(), step=7, epoch=1, flush=lambda: None)
    reported = events[-1]
    assert isinstance(reported, NormWeights)
    assert (reported.step, reported.epoch) == (7, 1)
    assert [layer.layer for layer in reported.layers] == [
        "bn1",
        "layer1.1.bn1",
        "layer2.1.bn1",
        "layer3.1.bn1",
    ]
    assert sum(reported.layers[0].means) == pytest.approx(1)


def test_lidar_is_reported_where_it_is_requested(make_run: MakeRun) -> None:
    run = make_run("schedule.epochs=1", "evaluation.lidar_images=40", "evaluation.lidar_views=5")
    assert run_session(run.path) == 0
    events = [record.event for record in read_log(run.events)]
    untrained, trained = [e for e in events if isinstance(e, Diagnostics) and e.space == "encoder"]
    assert untrained.lidar is None
    assert trained.lidar is not None
    assert 1 <= trained.lidar <= 39
    assert dict(trained.nulls)["lidar"] == pytest.approx(noise_lidar(40, 5, 64))
