"""The interface of a method: its networks, its loss, and what happens after a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from wmse_tui.config.options import Options
from wmse_tui.engine.distribution.gather import gather, world_size
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.models import Encoder
from wmse_tui.engine.models.shared_weights import call_each
from wmse_tui.engine.precision import at_least_float32, full_precision
from wmse_tui.engine.transfer import pack_to_device
from wmse_tui.engine.whitening import whiten

StepKey = tuple[int, int]
"""(seed of the run, number of the step): the key of the step's counter-based random numbers."""

Draws = Mapping[str, Tensor]
"""The random choices of a step, by name: integers, in tensors whose shapes are the same at every step."""

MethodOptions = TypeVar("MethodOptions", bound=Options, default=Options, covariant=True)


@dataclass(frozen=True, slots=True)
class Losses:
    """The results of a step.

    Attributes:
        total: the scalar to minimise.
        parts: named scalars for the log, without gradient; empty if the loss has one term.
        embeddings: (views, batch, dim), the projector's output, without gradient, for diagnostics.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    embeddings: Tensor


class Method(nn.Module, ABC, Generic[MethodOptions]):
    """Networks and a loss. Everything that a resumed run needs is in the state_dict.

    Args:
        encoder: what is evaluated and exported.
        projector: features (n, feature_dim) to embeddings (n, dim), as `build_projector` makes it.
        options: the section `method` of the configuration.

    Attributes:
        views_together: the encoder sees all views in one call (`backbone.views`), so that the statistics of
            its BatchNorm are those of all; False: one call for each.
        features: (views, batch, feature_dim), the encoder's output of the latest step, without gradient, for
            diagnostics.
    """

    features: Tensor | None

    def __init__(self, encoder: Encoder, projector: nn.Sequential, options: MethodOptions) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = projector
        self.options = options
        self.views_together = False
        self.features = None

    @property
    def embedding_dim(self) -> int:
        """The size of the embeddings."""
        linear = [module for module in self.projector.modules() if isinstance(module, nn.Linear)]
        return linear[-1].out_features

    def loss_options(self, *, without: str = "") -> dict[str, Any]:
        """The options as keyword arguments of the loss.

        Args:
            without: an option that is not an argument of the loss.
        """
        return self.options.model_dump(exclude={"name", without})

    def forward(self, views: Tensor, *, step_key: StepKey) -> Losses:
        """The losses of normalised `views` (views, batch, channels, height, width) at a step."""
        number, batch = views.shape[:2]
        draws = self.draw(number, batch * world_size(), step_key=step_key)
        moved = pack_to_device(tuple(draws.values()), views.device)
        return self.losses(views, dict(zip(draws, moved, strict=True)))

    def draw(self, views: int, batch: int, *, step_key: StepKey) -> Draws:  # noqa: ARG002
        """The random choices of a step, on the CPU, a function of `step_key` and the arguments alone.

        Args:
            views: of each image.
            batch: images.
        """
        return {}

    @abstractmethod
    def losses(self, views: Tensor, draws: Draws) -> Losses:
        """The losses of normalised `views` (views, batch, channels, height, width) under the step's draws.

        Computes on tensors alone and never synchronises with the device, so that a GPU can replay it. The
        encoder obeys the caller's autocast; projector and loss run in float32.

        Args:
            draws: what `draw` returns, on the device of the views.
        """

    def weighted(self, terms: Mapping[str, Tensor], embeddings: Tensor) -> Losses:
        """The sum of scalar `terms`, each times the option of its name; `parts` are without weights."""
        total = reduce(torch.add, (getattr(self.options, name) * term for name, term in terms.items()))
        parts = {name: term.detach() for name, term in terms.items()}
        return Losses(total, parts, embeddings.detach())

    def after_step(self, progress: float) -> None:
        """Update the target networks; `progress` in [0, 1] is the share of the training that is done."""
        self.update_target(self.target_rate(progress))

    def target_rate(self, progress: float) -> float:
        """The number that `update_target` needs, computed from `progress` on the CPU."""
        return progress

    def update_target(self, rate: float | Tensor) -> None:
        """Move target networks, if there are any; on the device alone, so that a GPU can replay it."""

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The parameters that the optimizer updates, in a fixed order."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def unscheduled_parameters(self) -> list[nn.Parameter]:
        """Those of them whose learning rate stays constant, from the first step to the last."""
        return []

    def diagnose(self, embeddings: Tensor, *, step_key: StepKey) -> EngineError | None:  # noqa: ARG002
        """Why the loss of these `Losses.embeddings` is not finite; None if the method cannot tell. Slow."""
        return None

    def whitening_input(self, embeddings: Tensor, *, step_key: StepKey) -> tuple[Tensor, float] | None:  # noqa: ARG002
        """The input whose covariance the loss factorised, for diagnostics; None: it factorises nothing.

        Returns:
            The slices (..., samples, dim) on the device of `embeddings`, and the shrinkage `eps` of their
            covariances.
        """
        return None

    def whitening_output(self, embeddings: Tensor, *, step_key: StepKey) -> Tensor | None:
        """These `Losses.embeddings` as the loss whitened them, for diagnostics; None: it whitens nothing.

        Returns:
            (..., samples, dim), whose covariance over the samples a perfect whitening makes the identity.
            Here by the Cholesky factor of the `whitening_input`: all exact roots leave the same error.

        Raises:
            WhiteningFailed: see `whiten`.
        """
        factorised = self.whitening_input(embeddings, step_key=step_key)
        return None if factorised is None else whiten(factorised[0], eps=factorised[1])

    def encode(self, views: Tensor, encoder: nn.Module | None = None) -> Tensor:
        """(views, batch, feature_dim): one encoder call per view, or one for all if `views_together`.

        Args:
            encoder: which one, if not `self.encoder`.
        """
        network = self.encoder if encoder is None else encoder
        features: Tensor
        if self.views_together:
            features = call_each(network, views.flatten(0, 1)[None])[0].unflatten(0, views.shape[:2])
        else:
            features = call_each(network, views)
        if encoder is None:
            self.features = features.detach()
        return features

    def embed(self, views: Tensor) -> Tensor:
        """(views, batch, dim) of the global batch: as in `encode`, then one projector call for all views.

        So the BatchNorm of the encoder sees one view at a time and that of the projector all of them, as in
        the W-MSE paper's code.
        """
        features = self.encode(views)
        with full_precision(features.device.type):
            embeddings: Tensor = self.projector(at_least_float32(features).flatten(0, 1))
        return gather(embeddings.view(*views.shape[:2], -1), 1)

    def embed_per_view(self, views: Tensor) -> Tensor:
        """(views, batch, dim) of the global batch: as in `encode`, then one projector call per view."""
        return gather(self.embed_own(views), 1)

    def embed_own(self, views: Tensor) -> Tensor:
        """As `embed_per_view`, of the images of this rank: for a network that follows."""
        return project_per_view(self.projector, self.encode(views))


def project_per_view(projector: nn.Module, features: Tensor) -> Tensor:
    """(views, batch, dim) of `features` (views, batch, feature_dim): one call per view, in float32."""
    with full_precision(features.device.type):
        return torch.stack([projector(at_least_float32(one)) for one in features])
