"""The preset of Zero-ICL: the authors' heads and optimizer, and no claim where the views are others."""

from __future__ import annotations

from wmse_tui.config.loading import find_preset
from wmse_tui.config.methods import ZeroCl
from wmse_tui.config.sections.optimizer import Lars
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import CosineSchedule


def test_it_follows_the_authors_where_it_can_and_says_where_it_does_not() -> None:
    experiment = find_preset("cifar10-zero_icl").experiment
    assert experiment.title == "Zero-ICL on CIFAR-10, with the views of W-MSE"
    assert experiment.method == ZeroCl(variant="instance", ridge=0.01)
    assert experiment.projector == Projector(layers=3, hidden=8192, dim=8192, batch_norm=True)
    assert experiment.schedule == CosineSchedule(
        epochs=1000,
        batch_size=256,
        warmup_steps=10 * (50_000 // 256),  # ten epochs
        final_factor=0.001,
    )
    assert experiment.optimizer == Lars(lr=0.3, bias_lr=0.0048, weight_decay=1e-6, momentum=0.9, trust=0.001)
    assert experiment.paper is None
