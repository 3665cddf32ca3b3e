"""The preset of Shuffled-DBN against the authors' configuration, written out here a second time."""

from __future__ import annotations

from wmse_tui.config.loading import find_preset
from wmse_tui.config.methods import ShuffledDbn
from wmse_tui.config.sections.optimizer import Sgd
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import CosineSchedule


def test_it_follows_the_authors_configuration_and_claims_no_number() -> None:
    experiment = find_preset("cifar10-shuffled_dbn").experiment
    assert experiment.method == ShuffledDbn(groups=8, partition="random", eps=0.0)
    assert experiment.projector == Projector(layers=2, hidden=1024, dim=512, batch_norm=True)
    assert experiment.optimizer == Sgd(lr=0.02 * 512 / 256, weight_decay=1e-3, momentum=0.9)
    assert experiment.schedule == CosineSchedule(
        epochs=200,
        batch_size=512,
        warmup_steps=5 * (50_000 // 512),  # five epochs
        final_factor=0.0,
    )
    augmentation = experiment.augmentation
    assert (augmentation.brightness, augmentation.contrast, augmentation.saturation) == (0.4, 0.4, 0.4)
    assert (augmentation.hue, augmentation.jitter_p, augmentation.grayscale_p) == (0.1, 0.8, 0.2)
    assert (augmentation.views, augmentation.crop_scale, augmentation.blur_p) == (2, (0.2, 1.0), 0.0)
    assert experiment.paper is None
