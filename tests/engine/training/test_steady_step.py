"""A steady step on a GPU neither waits for it nor copies from pageable memory; gone through without a GPU.

The tensors are torch's fake ones, which claim to be on a GPU and have no data. What would read a number back,
or mix devices, fails or is found here. Automatic differentiation looks for the device itself if its name is
"cuda"; so gradients are computed on a device of another name, whose tensors claim to be CUDA's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Generic, TypeVar

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine import transfer
from wmse_tui.engine.data import device_views as module
from wmse_tui.engine.data.batched import normalise_
from wmse_tui.engine.data.device_views import device_views, prepare
from wmse_tui.engine.data.plan import plan_views
from wmse_tui.engine.data.recorded_views import RecordedViews
from wmse_tui.engine.data.view_parameters import concatenate
from wmse_tui.engine.evaluation.knn import Metric, knn_predict
from wmse_tui.engine.evaluation.linear import LinearClassifier, accuracy_of, fit_adam, loss_and_gradient
from wmse_tui.engine.methods import Method, build_method
from wmse_tui.engine.recording import CudaGraphs
from wmse_tui.engine.training.diagnostics import TrainingDiagnostics
from wmse_tui.engine.training.optimizers import build_optimizer, set_rates, step_unless_nonfinite
from wmse_tui.engine.training.resources import ResourceMonitor

Result = TypeVar("Result")

CPU = torch.device("cpu")
GPU = torch.device("cuda:0")
OTHER_NAME = torch.device("lazy:0")
SIZES = ("dataset.crop=16", "projector.hidden=16", "projector.dim=8", "schedule.batch_size=16")
FACTORISATION = {"_linalg_eigh"}
"""cuSOLVER reports whether it converged, and torch reads that at once."""

WITHOUT_FAKE = ("aten::_fused_sgd_", "aten::_fused_adam_.tensor_lr")
"""Optimisers that write into their arguments, and of which torch knows no fake result."""

READ = "aten::_local_scalar_dense"

METHODS = {
    "{name: barlow_twins}": set(),
    "{name: byol, predictor_hidden: 16}": set(),
    "{name: cw_rgp, whitening_size: 2, groups: 2}": set(),
    "{name: intl}": set(),
    "{name: s2r2}": set(),
    "{name: shuffled_dbn, groups: 2}": set(),
    "{name: simclr}": set(),
    "{name: simsiam}": set(),
    "{name: vibcreg}": set(),
    "{name: vicreg}": set(),
    "{name: w_mse, whitening_size: 16}": set(),
    "{name: w_mse, whitening_size: 16, operator: iterative}": set(),
    "{name: w_mse, whitening_size: 16, operator: zca}": set(),
    "{name: w_mse, whitening_size: 16, operator: pca}": FACTORISATION,
    "{name: zero_cl}": set(),
}
ENCODERS = (
    "backbone.whitening=iterative",
    "backbone.whitening=zca backbone.whitening_eps=0.001",
    "backbone.norm=sw2",
    "backbone.views=together",
)
VIEWS: dict[str, tuple[str, ...]] = {
    "the paper's": (),
    "four views": ("augmentation.views=4",),
    "blurred and inverted": ("augmentation.blur_p=0.5", "augmentation.invert_p=0.2"),
    "crops alone": ("augmentation.jitter_p=0.0", "augmentation.grayscale_p=0.0"),
}
OPTIMIZERS = ("adam", "adamw", "sgd", "lars")


class Audit(TorchDispatchMode):
    """What a GPU would make the host wait for.

    Attributes:
        copies: from the host, of memory that is not pinned; waits: reads of a result; sent: bytes of each
            copy of pinned memory; reads: numbers that were answered, see `answer`.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.copies: list[str] = []
        self.waits: set[str] = set()
        self.sent: list[int] = []
        self.reads = 0
        self._number: int | None = None
        self._pinned: set[int] = set()

    def answer(self, number: int) -> None:
        """Give every read of a number this answer: the tensors have no data. Otherwise it is an error."""
        self._number = number

    def host_buffer(self, size: int, *, pin: bool) -> Tensor:
        """In place of `transfer.host_buffer`: pinning needs a GPU."""
        assert pin
        buffer = torch.empty(size, dtype=torch.uint8)
        self._pinned.add(id(buffer))
        self._alive = buffer
        return buffer

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._number is not None and func.name() == READ:
            self.reads += 1
            return self._number
        result = None if func.name().startswith(WITHOUT_FAKE) else func(*args, **kwargs)
        given = list(tensors((args, kwargs)))
        devices = {tensor.device.type for tensor in (*given, *tensors(result)) if tensor.ndim}
        if len(devices) > 1:
            pinned = [tensor for tensor in given if id(tensor) in self._pinned]
            if pinned and (kwargs.get("non_blocking") or args[-1] is True):
                self.sent.append(pinned[0].numel())
            else:
                self.copies.append(func.name())
        if func.name() in CudaGraphs.SYNCHRONISING and any(one.device.type != "cpu" for one in given):
            self.waits.add(func.name().removeprefix("aten::"))
        return result


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors(one)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Audit:
    found = Audit()
    monkeypatch.setattr(transfer, "host_buffer", found.host_buffer)
    return found


@pytest.fixture
def on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of views are prepared on the CPU, where they may be read: they are real tensors."""

    def prepare_really(*arguments: Any, **options: Any) -> Any:
        with unset_fake_temporarily():
            return prepare(*arguments, **options)

    monkeypatch.setattr(module, "prepare", prepare_really)


def fake_method(*overrides: str) -> Method:
    experiment = load_experiment(preset="quickstart", overrides=(*SIZES, *overrides))
    with torch.device("meta"):
        return build_method(experiment)


@pytest.mark.parametrize("method", METHODS)
def test_the_forward_pass_of_every_method(method: str, audit: Audit) -> None:
    built = fake_method(f"method={method}")
    with FakeTensorMode(allow_non_fake_inputs=True):
        built.to_empty(device=GPU)
        views = torch.empty(2, 16, 3, 16, 16, device=GPU)
        with audit:
            losses = built(views, step_key=(0, 1))
            built.after_step(0.5)
    assert losses.total.device == GPU
    assert audit.copies == []
    assert audit.waits == METHODS[method]
    assert len(audit.sent) == bool(built.draw(2, 16, step_key=(0, 1)))


@pytest.fixture
def another_name(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """A device with gradients; autocast does not know it, so everything is float32."""
    monkeypatch.setattr(FakeTensor, "is_cuda", property(lambda tensor: tensor.device == OTHER_NAME))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    return OTHER_NAME


@pytest.mark.parametrize("views", [2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_the_gradients_of_every_method(
    method: str, views: int, audit: Audit, another_name: torch.device
) -> None:
    """Losses and gradients are functions of tensors of the device alone."""
    built = fake_method(f"method={method}")
    drawn = built.draw(views, 16, step_key=(0, 1))
    with FakeTensorMode(allow_non_fake_inputs=True):
        built.to_empty(device=another_name)
        batch = torch.empty(views, 16, 3, 16, 16, device=another_name)
        draws = {name: torch.empty_like(tensor, device=another_name) for name, tensor in drawn.items()}
        with audit:
            built.losses(batch, draws).total.backward()
    gradients = [parameter.grad for parameter in built.trainable_parameters()]
    assert {None if gradient is None else gradient.device for gradient in gradients} == {another_name}
    assert (audit.copies, audit.sent) == ([], [])
    assert audit.waits == METHODS[method]


@pytest.mark.parametrize("overrides", ENCODERS)
def test_the_gradients_of_every_encoder(overrides: str, audit: Audit, another_name: torch.device) -> None:
    built = fake_method("method.name=simclr", "backbone.arch=resnet18", *overrides.split())
    with FakeTensorMode(allow_non_fake_inputs=True):
        built.to_empty(device=another_name)
        batch = torch.empty(2, 16, 3, 16, 16, device=another_name)
        with audit:
            built.losses(batch, {}).total.backward()
    assert (audit.copies, audit.waits, audit.sent) == ([], set(), [])


def test_the_audit_finds_what_a_gradient_reads(audit: Audit, another_name: torch.device) -> None:
    class Reading(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradient * float(x.sum())

    with FakeTensorMode(allow_non_fake_inputs=True), audit:
        x = torch.empty(4, device=another_name, requires_grad=True)
        with pytest.raises(DataDependentOutputException):
            Reading.apply(x).sum().backward()


@pytest.mark.usefixtures("on_the_host")
@pytest.mark.parametrize("overrides", VIEWS.values(), ids=VIEWS)
def test_the_making_of_views(overrides: tuple[str, ...], audit: Audit) -> None:
    """One copy from the host for all of them, and nothing is read back."""
    plan = plan_views(load_experiment(preset="cifar10", overrides=(*overrides, "schedule.batch_size=256")))
    indices = torch.arange(256)
    drawn = concatenate(tuple(plan.parameters(epoch=0, indices=indices, heights=32, widths=32)))
    rows = indices.repeat(plan.views)
    with FakeTensorMode(allow_non_fake_inputs=True):
        pixels = torch.empty(300, 3, 32, 32, dtype=torch.uint8, device=GPU)
        with audit:
            views = device_views(pixels, rows, drawn, size=32, mean=plan.mean, std=plan.std)
    assert (views.shape, views.device) == ((plan.views * 256, 3, 32, 32), GPU)
    assert (audit.copies, audit.waits) == ([], set())
    assert len(audit.sent) == 1


@pytest.mark.parametrize("overrides", VIEWS.values(), ids=VIEWS)
def test_views_that_are_recorded_are_drawn_on_the_device(overrides: tuple[str, ...], audit: Audit) -> None:
    """Nothing but the numbers of the images is sent, and nothing is read back."""
    plan = plan_views(load_experiment(preset="cifar10", overrides=(*overrides, "schedule.batch_size=128")))
    with FakeTensorMode(allow_non_fake_inputs=True):
        pixels = torch.empty(300, 3, 32, 32, dtype=torch.uint8, device=GPU)
        recorded = RecordedViews(plan, pixels, AsWritten())
        rows = torch.arange(128)
        with audit:
            for epoch in range(4):
                views = recorded(epoch=epoch, indices=rows, rows=rows)
    assert (views.shape, views.device) == ((plan.views, 128, 3, 32, 32), GPU)
    assert (audit.copies, audit.waits) == ([], set())
    assert len(audit.sent) == 4


@pytest.mark.usefixtures("on_the_host")
def test_the_making_of_views_of_padded_images(audit: Audit) -> None:
    plan = plan_views(load_experiment(preset="cifar10"))
    sizes = torch.randint(20, 60, (8, 2), generator=torch.Generator().manual_seed(0))
    heights, widths = sizes.unbind(1)
    (drawn, _) = plan.parameters(epoch=0, indices=torch.arange(8), heights=heights, widths=widths)
    options = {"size": 32, "mean": plan.mean, "std": plan.std, "covered": torch.full((8,), 0.5)}
    rows = torch.arange(8)
    with FakeTensorMode(allow_non_fake_inputs=True):
        pixels = torch.empty(8, 3, 60, 60, dtype=torch.uint8, device=GPU)
        with audit:
            device_views(pixels, rows, drawn, **options)  # type: ignore[arg-type]
    assert (audit.copies, audit.waits, len(audit.sent)) == ([], set(), 1)


def test_the_normalisation_of_what_workers_made(audit: Audit) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        images = torch.empty(2, 4, 3, 8, 8, device=GPU)
        with audit:
            normalise_(images, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (audit.copies, audit.waits, len(audit.sent)) == ([], set(), 1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_step_of_every_optimizer(name: str, audit: Audit) -> None:
    experiment = load_experiment(preset="quickstart", overrides=(f"optimizer.name={name}",))
    built = fake_method("method.name=simclr")
    with FakeTensorMode(allow_non_fake_inputs=True):
        built.to_empty(device=GPU)
        optimizer = build_optimizer(built.trainable_parameters(), experiment.optimizer)
        loss = torch.empty((), device=GPU)
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.empty_like(parameter)
        with Audit():
            step_unless_nonfinite(optimizer, loss)  # makes the state
        with audit:
            set_rates(optimizer, 0.1)
            step_unless_nonfinite(optimizer, loss)
    assert (audit.copies, audit.waits, audit.sent) == ([], set(), [])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearest_neighbours(metric: Metric, audit: Audit) -> None:
    """Two blocks of tests and of training features; nothing is read back or sent."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        train, tests = torch.empty(6000, 32, device=GPU), torch.empty(1500, 32, device=GPU)
        labels = torch.empty(6000, dtype=torch.int64, device=GPU)
        with audit:
            found = knn_predict(train, labels, tests, metric=metric)
    assert (found.shape, found.device) == ((1500,), GPU)
    assert (audit.copies, audit.waits) == ([], set())


class AsWritten(Generic[Result]):
    """A `Recorder` that records nothing: a recording needs a GPU."""

    rate_dtype = torch.float32

    def on_stream(self) -> AbstractContextManager[None]:
        return nullcontext()

    def synchronises(self, operation: str, tensors: Iterable[Any]) -> bool:
        return False

    def record(self, compute: Callable[[], Result]) -> Callable[[], Result]:
        return compute


@pytest.mark.parametrize("epochs", [2, 5])
def test_the_papers_linear_probe(epochs: int, audit: Audit) -> None:
    """The number of classes is read once; two tensors of weights are sent, and the order of each epoch."""
    audit.answer(9)
    with FakeTensorMode(allow_non_fake_inputs=True):
        features = torch.empty(3000, 32, device=GPU)
        labels = torch.empty(3000, dtype=torch.int64, device=GPU)
        with audit:
            found = fit_adam(features, labels, epochs=epochs, recorder=AsWritten())
    assert (found.weight.shape, found.weight.device) == ((10, 32), GPU)
    assert audit.reads == 1
    assert audit.copies == ["aten::_to_copy"] * 2 + ["aten::copy_"] * epochs


def test_a_pass_of_the_other_probe_reads_its_loss_alone(audit: Audit) -> None:
    audit.answer(1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        features, weight = torch.empty(3000, 32, device=GPU), torch.empty(10, 32, device=GPU)
        labels, bias = torch.empty(3000, dtype=torch.int64, device=GPU), torch.empty(10, device=GPU)
        with audit:
            loss_and_gradient(features, labels, weight, bias)
    assert (audit.copies, audit.reads) == ([], 1)


def test_the_accuracy_of_a_probe_is_read_at_the_end(audit: Audit) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        classifier = LinearClassifier(torch.empty(10, 32, device=GPU), torch.empty(10, device=GPU))
        features = torch.empty(3000, 32, device=GPU)
        labels = torch.empty(3000, dtype=torch.int64, device=GPU)
        with audit, pytest.raises(DataDependentOutputException):
            accuracy_of(classifier, features, labels)
    assert (audit.copies, audit.waits) == ([], set())


def test_a_sample_of_the_diagnostics_copies_its_tensor_once(audit: Audit) -> None:
    """All that is computed of it is computed on the CPU: a copy, and no operation on the GPU after it."""
    method = fake_method("method={name: simclr}")
    with FakeTensorMode(allow_non_fake_inputs=True):
        method.to_empty(device=GPU)
        diagnostics = TrainingDiagnostics(
            method, seed=0, resources=ResourceMonitor(CPU), write=lambda event: None
        )
        embeddings = torch.empty(2, 16, 8, device=GPU)
        with audit, pytest.raises(DataDependentOutputException):
            diagnostics.after_step(embeddings, step=1, epoch=0, flush=lambda: None)
    assert audit.copies == ["aten::_to_copy"]
    assert audit.waits <= {"_local_scalar_dense"}


def test_the_audit_finds_a_constant_that_is_sent_in_the_middle_of_a_step(audit: Audit) -> None:
    """As `new_tensor` of numbers: a pageable copy, for which the host waits."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        images = torch.empty(4, 3, 8, 8, device=GPU)
        with audit:
            images.mean((2, 3)) @ images.new_tensor((0.3, 0.6, 0.1))
    assert audit.copies != []


def test_the_audit_finds_a_number_that_is_read_back(audit: Audit) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True), audit, pytest.raises(DataDependentOutputException):
        bool((torch.empty(4, device=GPU) > 0).any())
