"""Features: the encoder's output for each image, without side effects."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import transforms

from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.evaluation.features import extract_features
from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def memory_images(count: int, size: int = 8, *, labelled: bool = True) -> MemoryImages:
    pixels = torch.randint(
        256, (count, 3, size, size), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    labels = torch.arange(count) % 3 if labelled else None
    return MemoryImages(name="m", split="test", pixels=pixels, labels=labels, classes=("a", "b", "c"))


def small_encoder() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def random_states() -> tuple[bytes, str, object]:
    return torch.get_rng_state().numpy().tobytes(), str(np.random.get_state()), random.getstate()


def test_features_are_the_encoders_output_in_evaluation_mode_for_normalised_images() -> None:
    images, encoder = memory_images(23), small_encoder()
    to_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    views = torch.stack([to_tensor(images.image(i)) for i in range(23)])
    with torch.no_grad():
        expected = encoder.eval()(views)

    features, labels = extract_features(encoder.train(), images, mean=MEAN, std=STD, batch_size=7)

    torch.testing.assert_close(features, expected, rtol=0, atol=1e-6)
    assert features.dtype == torch.float32
    assert labels is not None
    assert images.labels is not None
    assert torch.equal(labels, images.labels)


def test_unlabelled_images_have_features_and_no_labels() -> None:
    features, labels = extract_features(small_encoder(), memory_images(4, labelled=False), mean=MEAN, std=STD)

    assert features.shape == (4, 6)
    assert labels is None


def test_images_are_resized_and_cropped_on_request() -> None:
    shapes: list[torch.Size] = []
    images = memory_images(3, size=20)

    extract_features(Recorder(shapes), images, mean=MEAN, std=STD, resize=14, crop=12)

    assert shapes == [torch.Size([3, 3, 12, 12])]


def test_training_flags_are_restored() -> None:
    encoder = small_encoder().train()
    encoder[1].eval()  # a frozen BatchNorm amid a module in training
    before = [module.training for module in encoder.modules()]

    extract_features(encoder, memory_images(5), mean=MEAN, std=STD)

    assert [module.training for module in encoder.modules()] == before
    assert before.count(False) == 1


def test_no_buffer_and_no_global_random_state_changes() -> None:
    encoder = small_encoder().train()
    buffers = [buffer.clone() for buffer in encoder.buffers()]
    states = random_states()

    extract_features(encoder, memory_images(9, size=9), mean=MEAN, std=STD, resize=8, batch_size=2)

    assert all(torch.equal(a, b) for a, b in zip(encoder.buffers(), buffers, strict=True))
    assert random_states() == states


def test_an_interruption_stops_between_batches_and_restores_the_flags() -> None:
    reported: list[tuple[str, float, float, str]] = []
    encoder = small_encoder().train()

    with pytest.raises(EvaluationInterrupted):
        extract_features(
            encoder,
            memory_images(20),
            mean=MEAN,
            std=STD,
            batch_size=3,
            progress=lambda *part: reported.append(part),
            should_stop=lambda: len(reported) == 2,
        )

    assert reported == [("features", 3, 20, "images"), ("features", 6, 20, "images")]
    assert all(module.training for module in encoder.modules())


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_autocast_is_on_only_for_bfloat16(precision: str, dtype: torch.dtype) -> None:
    seen: list[torch.dtype] = []
    encoder = small_encoder()
    encoder[0].register_forward_hook(lambda _module, _args, output: seen.append(output.dtype))

    with torch.autocast("cpu", dtype=torch.bfloat16):  # a caller's autocast does not affect the encoder
        features, _ = extract_features(
            encoder,
            memory_images(4),
            mean=MEAN,
            std=STD,
            precision=precision,  # type: ignore[arg-type]
        )

    assert seen == [dtype]
    assert features.dtype == torch.float32


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="the image set is empty"):
        extract_features(small_encoder(), memory_images(0), mean=MEAN, std=STD)


class Recorder(nn.Module):
    """Records the shapes of its inputs."""

    def __init__(self, shapes: list[torch.Size]) -> None:
        super().__init__()
        self.shapes = shapes

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(x.shape)
        return x.flatten(1)
