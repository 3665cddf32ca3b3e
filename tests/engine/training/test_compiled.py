"""Compiled networks: they train the same, the trial leaves no trace, and what cannot be compiled still runs.

The tests take dynamo's own backend, which follows the code and compiles nothing: it needs no C++ compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from events import read_log

from wmse_tui.config.loading import load_experiment
from wmse_tui.engine.methods import Method, build_method
from wmse_tui.engine.precision import autocast
from wmse_tui.engine.training import compiled as module
from wmse_tui.engine.training.compiled import Compiled, compile_networks
from wmse_tui.engine.training.session import run_session
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Evaluation, Notice, Phase, Steps

MakeRun = Callable[..., RunDirectory]
pytestmark = pytest.mark.filterwarnings("default")  # torch's compiler warns of what it does itself
SHAPE = (2, 16, 3, 16, 16)


@pytest.fixture(autouse=True)
def _backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    monkeypatch.setattr(module, "BACKEND", "aot_eager")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    yield
    torch.compiler.reset()


@pytest.fixture
def method() -> Method:
    overrides = ["dataset.crop=16", "projector.dim=4", "method.whitening_size=8", "schedule.batch_size=16"]
    return build_method(load_experiment(preset="quickstart", overrides=overrides)).train()


def compiled(method: Method, wanted: module.CompileMode = "auto") -> Compiled:
    compute = load_experiment(preset="quickstart").compute
    return compile_networks(
        method, wanted, shape=SHAPE, autocast=partial(autocast, compute.precision, torch.device("cpu"))
    )


def test_a_compiled_method_has_the_same_loss_and_gradients(method: Method) -> None:
    views = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    before = method(views, step_key=(0, 1)).total
    before.backward()
    gradients = [
        parameter.grad.clone() for parameter in method.trainable_parameters() if parameter.grad is not None
    ]
    method.zero_grad()
    assert compiled(method).active
    after = method(views, step_key=(0, 1)).total
    after.backward()
    torch.testing.assert_close(after, before)
    for parameter, gradient in zip(method.trainable_parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_the_trial_leaves_weights_statistics_gradients_and_generators_alone(method: Method) -> None:
    state = {name: value.clone() for name, value in method.state_dict().items()}
    random = torch.get_rng_state()
    compiled(method)
    assert method.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in method.state_dict().items())
    assert all(parameter.grad is None for parameter in method.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_batches_of_other_sizes_do_not_compile_anew(method: Method) -> None:
    found = compiled(method)
    counted = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    with found.as_written(), torch.no_grad():
        for count in (3, 5, 7):
            method.encoder(torch.zeros(count, 3, 32, 32))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == counted > 0


def test_what_cannot_be_compiled_runs_as_written_with_the_reason(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("\n\nFailed to find C++ compiler.\nset CXX\n")

    views = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    expected = method(views, step_key=(0, 1)).total
    state = {name: value.clone() for name, value in method.state_dict().items()}
    monkeypatch.setattr(module, "BACKEND", refuse)
    found = compiled(method)
    assert (found.active, found.fell_back) == (False, True)
    assert found.text.startswith("the networks run as written, because torch cannot compile them: ")
    assert "Failed to find C++ compiler." in found.text
    assert "\n" not in found.text
    assert all(torch.equal(value, state[name]) for name, value in method.state_dict().items())
    assert torch.equal(method(views, step_key=(0, 1)).total, expected)


def test_off_compiles_nothing(method: Method) -> None:
    assert compiled(method, "off") == Compiled()
    assert method.encoder._compiled_call_impl is None


def events(run: RunDirectory) -> list[Any]:
    assert run_session(run.path) == 0
    return [record.event for record in read_log(run.events)]


def test_a_compiled_run_trains_and_evaluates_as_one_that_is_not(make_run: MakeRun) -> None:
    small = ("schedule.epochs=1", "optimizer.lr=1e-4")
    plain = events(make_run(*small, name="plain"))
    other = events(make_run(*small, "compute.compile=auto", name="compiled"))
    assert [event.name for event in other if isinstance(event, Phase) and event.name == "compile"] == [
        "compile"
    ]
    (notice,) = (event for event in other if isinstance(event, Notice) and event.code == "N_COMPILE")
    assert notice.level == "info"
    assert notice.text.startswith("the networks are compiled, in ")

    def losses(log: list[Any]) -> torch.Tensor:
        return torch.tensor([loss for event in log if isinstance(event, Steps) for loss in event.loss])

    torch.testing.assert_close(losses(other), losses(plain), rtol=1e-2, atol=0)
    first, second = ([event.knn for event in log if isinstance(event, Evaluation)] for log in (plain, other))
    assert first[0] == second[0]  # of the untrained encoder, by the same code
    assert "compile" not in {event.name for event in plain if isinstance(event, Phase)}
