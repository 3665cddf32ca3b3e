"""The face of a method: its networks, its loss, what happens after a step. The loop knows no more of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.models import Backbone
from wmse_tui.engine.whitening import whiten
from wmse_tui.engine.whitening.precision import at_least_float32, full_precision

StepKey = tuple[int, int]
"""(seed of the run, number of the step): what the randomness of a step is counted from."""

Draws = Mapping[str, Tensor]
"""The random choices of a step, by name: integers, in tensors whose shapes are those of every other step."""


def embedding_dim(projector: nn.Module) -> int:
    """The size of the embeddings that a projector of `build_projector` makes."""
    linear = [module for module in projector.modules() if isinstance(module, nn.Linear)]
    return linear[-1].out_features


@dataclass(frozen=True, slots=True)
class Losses:
    """What a step yields.

    Attributes:
        total: the scalar to minimise.
        parts: named scalars for the log, without gradient; empty where the total says it all.
        embeddings: (views, batch, dim), the projector's output, without gradient, for diagnostics.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    embeddings: Tensor


class Method(nn.Module, ABC):
    """Networks and a loss. Everything that a resumed run needs is in the state_dict.

    Args:
        encoder: what is evaluated and exported.
        projector: features (n, feature_dim) to embeddings (n, dim).

    Attributes:
        views_together: the encoder sees all views in one call (`backbone.views`), so that the statistics of
            its BatchNorm are those of all; False: one call for each.
        features: (views, batch, feature_dim), what the encoder gave in the latest step, without gradient, for
            diagnostics.
    """

    features: Tensor | None

    def __init__(self, encoder: Backbone, projector: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.views_together = False
        self.features = None

    def forward(self, views: Tensor, *, step_key: StepKey) -> Losses:
        """The losses of normalised `views` (views, batch, channels, height, width) at a step."""
        drawn = self.draw(*views.shape[:2], step_key=step_key)
        there = {name: choice.to(views.device, non_blocking=True) for name, choice in drawn.items()}
        return self.losses(views, there)

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:  # noqa: ARG002
        """The random choices of a step, on the CPU, counted from `step_key`: the same key, the same choices.

        Args:
            views: of each image.
            batch: images.
        """
        return {}

    @abstractmethod
    def losses(self, views: Tensor, drawn: Draws) -> Losses:
        """The losses of normalised `views` (views, batch, channels, height, width) under what was drawn.

        Of tensors alone, and nothing is asked of the device: a GPU may replay it. The encoder obeys the
        caller's autocast; projector and loss run in float32.

        Args:
            drawn: what `draw` gives, on the device of the views.
        """

    def after_step(self, progress: float) -> None:
        """Follow the optimizer's step; `progress` in [0, 1] is the share of the training that is done."""
        self.follow(self.pace(progress))

    def pace(self, progress: float) -> float:
        """The one number that `follow` needs to know of the `progress`."""
        return progress

    def follow(self, pace: float | Tensor) -> None:
        """What comes after the optimizer's step; on the device alone, for a GPU may replay it."""

    def trainable_parameters(self) -> list[nn.Parameter]:
        """What the optimizer steps, in a fixed order."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def unscheduled_parameters(self) -> list[nn.Parameter]:
        """Those of them whose learning rate stays what it is, from the first step to the last."""
        return []

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> EngineError | None:  # noqa: ARG002
        """Why the loss of these `Losses.embeddings` is not finite, where the method knows; a slow check."""
        return None

    def whitened(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float] | None:  # noqa: ARG002
        """What the loss of these `Losses.embeddings` factorised, for diagnostics; None: nothing.

        Returns:
            The slices (..., samples, dim) on the device of `embeddings`, and the shrinkage `eps` of their
            covariances.
        """
        return None

    def white(self, embeddings: Tensor, *, step_key: StepKey) -> Tensor | None:
        """What the loss makes of these `Losses.embeddings` by whitening, for diagnostics; None: nothing.

        Returns:
            (..., samples, dim), whose covariance over the samples a perfect whitening makes the identity.
            Here by the Cholesky factor of what `whitened` gives: all exact roots leave the same error.

        Raises:
            WhiteningFailed: see `whiten`.
        """
        found = self.whitened(embeddings, step_key=step_key)
        return None if found is None else whiten(found[0], eps=found[1])

    def encode(self, views: Tensor, encoder: nn.Module | None = None) -> Tensor:
        """(views, batch, feature_dim): one encoder call per view, or one for all if `views_together`.

        Args:
            encoder: which one, if not `self.encoder`.
        """
        network = self.encoder if encoder is None else encoder
        features: Tensor
        if self.views_together:
            features = network(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        else:
            features = torch.stack([network(view) for view in views])
        if encoder is None:
            self.features = features.detach()
        return features

    def embed(self, views: Tensor) -> Tensor:
        """(views, batch, dim): the encoder as `encode` says, then one projector call for all views.

        So the BatchNorm of the encoder sees one view at a time and that of the projector all of them, as in
        the W-MSE paper's code.
        """
        features = self.encode(views)
        with full_precision(features.device.type):
            embeddings: Tensor = self.projector(at_least_float32(features).flatten(0, 1))
        return embeddings.view(*views.shape[:2], -1)

    def embed_apart(self, views: Tensor) -> Tensor:
        """(views, batch, dim): the encoder as `encode` says, then one projector call per view."""
        return project_apart(self.projector, self.encode(views))


def project_apart(projector: nn.Module, features: Tensor) -> Tensor:
    """(views, batch, dim) of `features` (views, batch, feature_dim): one call per view, in float32."""
    with full_precision(features.device.type):
        return torch.stack([projector(at_least_float32(one)) for one in features])
