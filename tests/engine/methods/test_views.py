"""`backbone.views`: one call of the encoder for each view, or one for all, in every method."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.config import methods as options
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.benchmark.paper_reference import ReferenceSteps
from wmse_tui.engine.methods import Method, build_method

Build = Callable[..., Experiment]
ALL = (
    options.BarlowTwins(),
    options.Byol(predictor_hidden=12),
    options.CwRgp(whitening_size=2, groups=1),
    options.Intl(),
    options.S2r2(),
    options.ShuffledDbn(groups=2),
    options.SimClr(),
    options.SimSiam(predictor_hidden=12),
    options.VibcReg(),
    options.VicReg(),
    options.WMse(whitening_size=8),
    options.ZeroCl(),
)
EVERY = pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)


def built(experiment: Experiment, views: str) -> Method:
    backbone = experiment.backbone.model_copy(update={"views": views})
    return build_method(experiment.model_copy(update={"backbone": backbone}))


def encoders(method: Method) -> list[nn.Module]:
    """The encoder and the slow copy of it that a method may have."""
    return [module for name, module in method.named_children() if "encoder" in name]


def test_every_method_is_listed_here() -> None:
    mapping = Experiment.model_json_schema()["properties"]["method"]["discriminator"]["mapping"]
    assert [method.name for method in ALL] == sorted(mapping)


@EVERY
def test_without_batch_statistics_both_ways_agree(
    method: options.Method, experiment: Build, views: Tensor
) -> None:
    apart, together = (built(experiment(method), way).double().eval() for way in ("apart", "together"))
    expected, found = (one(views.double(), step_key=(0, 1)) for one in (apart, together))
    torch.testing.assert_close(found.embeddings, expected.embeddings, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(found.total, expected.total, rtol=1e-8, atol=1e-10)


@EVERY
def test_every_encoder_of_a_method_is_called_once_for_all_views(
    method: options.Method, experiment: Build, views: Tensor
) -> None:
    together = built(experiment(method), "together")
    alone = copy.deepcopy(encoders(together))
    shapes: list[torch.Size] = []
    for encoder in encoders(together):
        encoder.register_forward_hook(lambda module, inputs, output: shapes.append(inputs[0].shape))
    with torch.no_grad():
        together(views, step_key=(0, 1))
        for encoder in alone:
            encoder(views.flatten(0, 1))
    assert shapes == [(48, 3, 8, 8)] * len(alone)
    for ours, theirs in zip(encoders(together), alone, strict=True):
        assert all(torch.equal(*pair) for pair in zip(ours.buffers(), theirs.buffers(), strict=True))


def test_batch_norm_uses_the_statistics_of_all_views(experiment: Build, views: Tensor) -> None:
    """Written out for the first norm; the three views have means of their own."""
    shifted = (views + torch.tensor([0.0, 2.0, -1.0])[:, None, None, None, None]).double()
    apart, together = (built(experiment(options.SimClr()), way).double() for way in ("apart", "together"))
    seen: dict[str, Tensor] = {}
    for name, method in (("apart", apart), ("together", together)):
        _, norm = first_norm(method)
        norm.register_forward_hook(partial(record, seen, name))
        method(shifted, step_key=(0, 1))
    convolution, norm = first_norm(together)
    maps = convolution(shifted.flatten(0, 1)).detach()
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), correction=0)
    count = maps.numel() // maps.shape[1]
    normal = (maps - mean[:, None, None]) / (variance + norm.eps).sqrt()[:, None, None]
    torch.testing.assert_close(seen["together"], normal)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * variance * count / (count - 1))
    assert norm.num_batches_tracked == 1
    assert first_norm(apart)[1].num_batches_tracked == 3
    # Apart, the mean of each view is taken away; together, only that of all.
    assert seen["apart"].mean((0, 2, 3)).abs().max() < 1e-12
    assert seen["together"][:16].mean((0, 2, 3)).abs().max() > 0.1


def record(seen: dict[str, Tensor], name: str, _norm: nn.Module, _inputs: Any, output: Tensor) -> None:
    seen.setdefault(name, output.detach().clone())  # the ReLU after it works in place


def first_norm(method: Method) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = next(m for m in method.encoder.modules() if isinstance(m, nn.Conv2d))
    norm = next(m for m in method.encoder.modules() if isinstance(m, nn.BatchNorm2d))
    return convolution, norm


def test_the_default_is_one_call_per_view(experiment: Build) -> None:
    """The benchmark's reference is the paper's code, whatever ours is configured to do."""
    config = experiment(options.WMse(whitening_size=8))
    backbone = config.backbone.model_copy(update={"views": "together"})
    reference = ReferenceSteps(config.model_copy(update={"backbone": backbone}), torch.device("cpu"))
    assert not reference.method.views_together
