"""The optimizer section: how a gradient becomes a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from wmse_tui.config.options import Options, Sizes
from wmse_tui.config.problems import Problem

_NAME = "Optimizer"
_NAME_HELP = "Which update rule is used."
_RATE = "Learning rate"
_RATE_HELP = "Learning rate after the warm-up."


class _AdamOptions(Options):
    """Options of Adam and AdamW."""

    name: str
    lr: float = Field(3e-3, gt=0, le=100, title=_RATE, description=_RATE_HELP)
    weight_decay: float = Field(
        1e-6,
        ge=0,
        le=1,
        title="Weight decay",
        description="Adam adds it to the gradient, AdamW shrinks the weights by it.",
    )
    beta1: float = Field(
        0.9, ge=0, lt=1, title="Beta 1", description="Decay of the running mean of the gradient."
    )
    beta2: float = Field(
        0.999, ge=0, lt=1, title="Beta 2", description="Decay of the running mean of its square."
    )


class Adam(_AdamOptions):
    """Adam with weight decay added to the gradient, as in the paper."""

    name: Literal["adam"] = Field("adam", title=_NAME, description=_NAME_HELP)


class AdamW(_AdamOptions):
    """Adam with weight decay apart from the gradient."""

    name: Literal["adamw"] = Field("adamw", title=_NAME, description=_NAME_HELP)


class Sgd(Options):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = Field("sgd", title=_NAME, description=_NAME_HELP)
    lr: float = Field(0.05, gt=0, le=100, title=_RATE, description=_RATE_HELP)
    weight_decay: float = Field(1e-4, ge=0, le=1, title="Weight decay", description="Added to the gradient.")
    momentum: float = Field(
        0.9, ge=0, lt=1, title="Momentum", description="Share of the previous step in the next."
    )
    nesterov: bool = Field(False, title="Nesterov", description="Look ahead along the momentum.")

    def problems(self, _sizes: Sizes) -> Iterator[Problem]:
        if self.nesterov and self.momentum == 0:
            yield Problem(
                "optimizer.nesterov",
                "Nesterov's step needs a momentum above 0",
                "set optimizer.momentum=0.9",
                values=(("optimizer.momentum", "0.9"),),
            )


class Lars(Options):
    """Stochastic gradient descent whose steps are in proportion to the weights (You et al. 2017)."""

    name: Literal["lars"] = Field("lars", title=_NAME, description=_NAME_HELP)
    lr: float = Field(0.3, gt=0, le=100, title=_RATE, description=_RATE_HELP)
    weight_decay: float = Field(
        1e-4,
        ge=0,
        le=1,
        title="Weight decay",
        description="Added to the gradient; of biases and BatchNorm there is none.",
    )
    momentum: float = Field(
        0.9, ge=0, lt=1, title="Momentum", description="Share of the previous step in the next."
    )
    trust: float = Field(
        0.001,
        gt=0,
        le=1,
        title="Trust coefficient",
        description="Length of a step in lengths of the weights, at a learning rate of 1.",
    )
    clip: bool = Field(
        False,
        title="Clip",
        description="Never step further than plain gradient descent would: the learning rate is then a cap.",
    )
    bias_lr: float | None = Field(
        None,
        gt=0,
        le=100,
        title="Rate of biases",
        description="Learning rate of biases and BatchNorm, on the same schedule; empty: the same rate.",
    )


Optimizer = Annotated[Adam | AdamW | Sgd | Lars, Field(discriminator="name")]
