"""BatchNorm statistics on loan: the right ones within the block, the old ones after it, to the bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.evaluation.batch_norm import calibrated_batch_norm
from wmse_tui.engine.evaluation.features import extract_features
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.engine.models.encoder_whitening import EncoderWhitening
from wmse_tui.engine.models.switchable_whitening import SwitchableWhitening

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def images_of(count: int) -> MemoryImages:
    pixels = torch.randint(
        256, (count, 3, 6, 6), generator=torch.Generator().manual_seed(2), dtype=torch.uint8
    )
    return MemoryImages(name="m", split="train", pixels=pixels, labels=torch.arange(count) % 2)


def encoder_with_history() -> nn.Sequential:
    """An encoder whose BatchNorms have seen something already, with momenta of their own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        encoder = nn.Sequential(
            nn.BatchNorm2d(3, momentum=0.3),
            nn.Conv2d(3, 5, 3),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(80, 4),
            nn.BatchNorm1d(4, track_running_stats=False),
        )
        encoder(torch.randn(7, 3, 6, 6))
    return encoder


def views_of(images: MemoryImages) -> Tensor:
    return (images.pixels / 255.0 - 0.5) / 0.25


def test_within_the_block_statistics_are_the_average_over_equal_batches_of_plain_images() -> None:
    images, encoder = images_of(30), encoder_with_history()
    batches = torch.split(views_of(images), 10)

    with calibrated_batch_norm(encoder, images, mean=MEAN, std=STD, batch_size=12):  # 3 batches of 10
        first = encoder[0]
        assert isinstance(first, nn.BatchNorm2d)
        assert first.running_mean is not None
        assert first.running_var is not None
        assert int(first.num_batches_tracked or 0) == 3
        torch.testing.assert_close(
            first.running_mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0)
        )
        torch.testing.assert_close(
            first.running_var, torch.stack([b.var((0, 2, 3), correction=1) for b in batches]).mean(0)
        )


def test_features_of_an_untrained_encoder_are_standardised_by_what_it_borrows() -> None:
    images, encoder = images_of(40), nn.Sequential(nn.Conv2d(3, 4, 6), nn.BatchNorm2d(4), nn.Flatten())

    with calibrated_batch_norm(encoder, images, mean=MEAN, std=STD):
        features, _ = extract_features(encoder, images, mean=MEAN, std=STD)

    torch.testing.assert_close(features.mean(0), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(features.var(0), torch.ones(4), rtol=0, atol=1e-2)


@pytest.mark.parametrize("interrupted", [False, True])
def test_buffers_momenta_and_modes_come_back_to_the_bit(interrupted: bool) -> None:
    encoder = encoder_with_history().train()
    encoder[2].eval()
    modes = [module.training for module in encoder.modules()]
    addresses = [buffer.data_ptr() for buffer in encoder.buffers()]
    state = copy.deepcopy(encoder.state_dict())
    random_state = torch.get_rng_state()
    answers = iter([False, interrupted, False])

    try:
        with calibrated_batch_norm(
            encoder, images_of(30), mean=MEAN, std=STD, batch_size=10, should_stop=lambda: next(answers)
        ):
            assert not interrupted
            assert [module.training for module in encoder.modules()] == modes
    except EvaluationInterrupted:
        assert interrupted

    assert all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())
    assert [buffer.data_ptr() for buffer in encoder.buffers()] == addresses
    assert [m.momentum for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)] == [0.3, 0.1]
    assert [module.training for module in encoder.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random_state)


def test_an_error_inside_the_block_does_not_keep_the_loan() -> None:
    encoder = encoder_with_history()
    state = copy.deepcopy(encoder.state_dict())

    with (
        pytest.raises(RuntimeError, match="inside"),
        calibrated_batch_norm(encoder, images_of(20), mean=MEAN, std=STD),
    ):
        raise RuntimeError("inside")

    assert all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())


def test_training_reaches_the_same_bits_as_without_an_evaluation() -> None:
    def trained(evaluated: bool) -> dict[str, Tensor]:
        images, encoder = images_of(16), encoder_with_history().train()
        optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)  # the Dropout draws from the global generator
            for _ in range(3):
                if evaluated:
                    with calibrated_batch_norm(encoder, images, mean=MEAN, std=STD, batch_size=5):
                        extract_features(encoder, images, mean=MEAN, std=STD)
                optimizer.zero_grad()
                encoder(views_of(images)).square().mean().backward()
                optimizer.step()
        return encoder.state_dict()

    with_evaluations, without = trained(True), trained(False)

    assert all(torch.equal(value, without[key]) for key, value in with_evaluations.items())


def test_whitening_layers_borrow_their_statistics_too() -> None:
    images = images_of(40)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 6), nn.Flatten(), EncoderWhitening(4, operator="zca"))
    state = copy.deepcopy(encoder.state_dict())

    with calibrated_batch_norm(encoder, images, mean=MEAN, std=STD):
        features, _ = extract_features(encoder, images, mean=MEAN, std=STD)
        plain, _ = extract_features(encoder[:2], images, mean=MEAN, std=STD)

    torch.testing.assert_close(torch.cov(features.T), torch.eye(4), rtol=0, atol=1e-2)
    assert (torch.cov(plain.T) - torch.eye(4)).abs().max() > 0.1
    assert all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())


def test_switchable_whitening_borrows_the_average_over_batches() -> None:
    images, norm = images_of(30), SwitchableWhitening(4, "sw2", width=4)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.Flatten())
    maps = [encoder[0](batch).detach() for batch in torch.split(views_of(images), 10)]

    with calibrated_batch_norm(encoder, images, mean=MEAN, std=STD, batch_size=12):
        means = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
        torch.testing.assert_close(norm.running_mean[0], means)
        flat = [m.transpose(0, 1).flatten(1) for m in maps]
        covariances = torch.stack([torch.cov(m, correction=0) for m in flat]).mean(0)
        torch.testing.assert_close(norm.running_covariance[0], covariances, rtol=1e-4, atol=1e-5)
    assert torch.equal(norm.running_covariance[0], torch.eye(4))
