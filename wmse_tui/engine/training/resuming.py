"""Loading a checkpoint into method and optimiser: all of it, or an error.

A state of which a part is missing or does not fit would be another run under the same name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from wmse_tui.engine.data.data_identity import DataIdentity
from wmse_tui.engine.errors import CheckpointError
from wmse_tui.engine.methods import Method
from wmse_tui.engine.training.loop import Position


@dataclass(frozen=True, slots=True)
class Resumed:
    """The position to continue from; the best accuracy so far; the kinds the checkpoint was saved for."""

    position: Position
    best: float | None
    kinds: tuple[str, ...]


def resume_from(
    saved: Mapping[str, Any],
    method: Method,
    optimizer: torch.optim.Optimizer,
    *,
    images: int,
    split: str,
    data: DataIdentity | None = None,
) -> Resumed:
    """Load the state of method and optimiser.

    Args:
        saved: a checkpoint.
        images, split: number and name of the training images now.
        data: the images now, to be compared with those of the checkpoint, if it knows them.

    Raises:
        CheckpointError: other images, or a part that is missing or does not fit. Method and optimiser may
            then be half of the checkpoint; they are not to be trained.
    """
    if saved.get("images", images) != images:
        raise CheckpointError(
            "the training images are not those of the checkpoint",
            f"{saved['images']:,} images then, {images:,} now ({split})",
            next=("restore the images as they were", "start a new run"),
        )
    if data is not None and "data" in saved:
        data.require_same(saved["data"])
    try:
        method.load_state_dict(saved["method"])
        optimizer.load_state_dict(saved["optimizer"])
        position = _position(saved["position"])
        if position.step:
            _require_moments(optimizer)
        return Resumed(position, saved["best"], saved.get("kinds", ()))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            "the checkpoint does not fit this configuration", reason, next=("start a new run",)
        ) from error


def _position(saved: Mapping[str, Any]) -> Position:
    """Position has defaults, which are those of a new run: a missing part would pass for one."""
    for field in dataclasses.fields(Position):
        saved[field.name]
    return Position(**saved)


def _require_moments(optimizer: torch.optim.Optimizer) -> None:
    """torch accepts an optimiser's state with parameters left out, and starts those from zero."""
    for group in optimizer.param_groups:
        names = _moments(optimizer, group)
        for parameter in group["params"]:
            lacking = names - set(optimizer.state.get(parameter, {}))
            if lacking:
                raise ValueError(f"the optimiser's {', '.join(sorted(lacking))} of a parameter is missing")


def _moments(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> set[str]:
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer"} if group["momentum"] else set()
    return {"step", "exp_avg", "exp_avg_sq"}
