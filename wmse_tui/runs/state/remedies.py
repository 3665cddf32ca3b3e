"""What to try against what diagnostics show, most promising first: one text each, wherever it is printed."""

from __future__ import annotations

from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.text.units import number

COLLAPSING_OPERATORS = ("pca", "standardise", "none")

DIVERGING = ("a lower optimizer.lr", "a longer schedule.warmup_steps")
TOO_EARLY = ("more steps: methods that begin on a line may leave it",)
VIEWS_ALIKE = ("stronger augmentation: crop_scale, brightness, contrast, saturation, grayscale_p",)
NOTHING_LEARNED = ("more steps, if these are the first", "a lower optimizer.lr", "weaker augmentation")
NOT_WHITE = (
    "more Newton steps (method.steps, backbone.whitening_steps)",
    "a larger method.whitening_size",
    "a smaller eps",
)
VIEWS_APART = ("more epochs", "weaker augmentation", "another optimizer.lr: too low learns too slowly")


def against_lost_dimensions(about: ConfigSummary, dim: int) -> tuple[str, ...]:
    """Against embeddings of `dim` dimensions that collapse, for a run of this configuration."""
    found = []
    if about.method == "w_mse" and about.operator in COLLAPSING_OPERATORS:
        found.append(f"method.operator=cholesky or zca: {about.operator} is known to collapse")
    if about.method == "w_mse" and about.operator == "iterative":
        found.append("method.operator=cholesky or zca: iterative whitens only where there is variance left")
    if about.method == "w_mse" and about.eps >= 0.01:
        found.append(f"a smaller method.eps ({number(about.eps)} now, 0 in the paper)")
    if about.method == "w_mse" and 0 < about.whitening_size < 2 * dim:
        found.append(f"method.whitening_size {2 * dim}, twice the embedding size, or a smaller projector.dim")
    if about.method == "simclr":
        found.append("a lower method.temperature")
    found.append("a lower optimizer.lr, or a longer schedule.warmup_steps")
    if about.method == "byol":
        found.append("method.momentum nearer to 1")
    return tuple(found)
