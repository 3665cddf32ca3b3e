"""The preset of Zero-ICL: the heads of the authors' code, and no claim where the optimizer is another."""

from __future__ import annotations

from wmse_tui.config.methods import ZeroCl
from wmse_tui.config.presets import find_preset
from wmse_tui.config.sections.optimizer import Adam
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import CosineSchedule


def test_it_follows_the_authors_where_it_can_and_says_where_it_does_not() -> None:
    experiment = find_preset("cifar10-zero_icl").experiment
    assert experiment.title == "Zero-ICL on CIFAR-10, with Adam in place of LARS"
    assert experiment.method == ZeroCl(variant="instance", ridge=0.01)
    assert experiment.projector == Projector(layers=3, hidden=8192, dim=8192, batch_norm=True)
    assert experiment.schedule == CosineSchedule(
        epochs=1000,
        batch_size=256,
        warmup_steps=10 * (50_000 // 256),  # ten epochs
        final_factor=0.001,
    )
    assert isinstance(experiment.optimizer, Adam)
    assert experiment.optimizer.weight_decay == 1e-6
    assert experiment.paper is None
