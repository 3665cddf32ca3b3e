"""Encoder whitening: a whitening layer at the end of the encoder, for any method.

Kalapos and Gyires-Tóth, "Whitening consistently improves self-supervised learning", ICMLA 2024, arXiv
2408.07519. The features are whitened by their batch while the encoder trains, and by running statistics
where it is evaluated; so the layer is a part of the encoder, not of the loss.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from wmse_tui.engine.distribution.gather import gather, own_rows
from wmse_tui.engine.errors import WhiteningFailed
from wmse_tui.engine.models.joint_calls import each_by_itself
from wmse_tui.engine.models.running import RunningStatistics
from wmse_tui.engine.whitening import apply_matrix, whiten, whitening_matrix

EncoderOperator = Literal["iterative", "zca", "cholesky", "standardise"]
"""Those whose matrix follows its batch smoothly, so that an average of matrices means something. The axes of
"pca" change order and signs from one batch to the next."""


class EncoderWhitening(RunningStatistics):
    """Features (batch, dim) to whitened ones, in float32; the mean and the whitening matrix are averaged.

    The authors' layer is "iterative" with the defaults; they divide covariances by the batch where we divide
    by one less, and add `eps` where we shrink by it: (1 - eps) covariance + eps identity.

    Args:
        dim: of the features.
        operator, eps, groups, steps: see `whiten`.
        momentum: see `RunningStatistics`.

    Attributes:
        calls: see `JointlyCalled`.

    Raises:
        ValueError: `dim` cannot be divided into `groups`; in training, a batch of one.
        WhiteningFailed: in training on the CPU, features that cannot be whitened.
    """

    running_mean: Tensor
    running_matrix: Tensor

    def __init__(
        self,
        dim: int,
        *,
        operator: EncoderOperator = "iterative",
        eps: float = 1e-5,
        groups: int = 1,
        steps: int = 5,
        momentum: float | None = 0.1,
    ) -> None:
        if groups < 1 or dim % groups:
            raise ValueError(f"{dim} features cannot be divided into {groups} groups of equal width")
        identity = torch.eye(dim // groups).repeat(groups, 1, 1)
        super().__init__(momentum, running_mean=torch.zeros(dim), running_matrix=identity)
        self.operator: EncoderOperator = operator
        self.eps = eps
        self.groups = groups
        self.steps = steps
        self.calls = 1

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return apply_matrix(features, self.running_mean, self.running_matrix)
        return each_by_itself(self._whitened, features, self.calls)

    def _whitened(self, features: Tensor) -> Tensor:
        features = gather(features, 0)
        if len(features) < 2:
            raise ValueError("one image has no covariance: encoder whitening trains on two or more")
        try:
            whitened = whiten(
                features, operator=self.operator, eps=self.eps, groups=self.groups, steps=self.steps
            )
        except WhiteningFailed as error:
            raise WhiteningFailed(
                f"the encoder's features cannot be whitened (backbone.whitening={self.operator})",
                f"{error.title}; {error.detail}",
                next=(
                    "lower optimizer.lr, or lengthen schedule.warmup_steps",
                    "set backbone.whitening_eps to 1e-3 or more, or more backbone.whitening_groups",
                    "set backbone.whitening=iterative, which needs no full rank",
                ),
            ) from error
        mean, matrix = whitening_matrix(
            features, operator=self.operator, eps=self.eps, groups=self.groups, steps=self.steps
        )
        self.update_averages(running_mean=mean, running_matrix=matrix)
        return own_rows(whitened)

    def extra_repr(self) -> str:
        return f"{len(self.running_mean)}, {self.operator}, groups={self.groups}"
