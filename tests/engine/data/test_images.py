"""Images in memory: what goes in comes out, and what cannot be such a set is refused."""

from __future__ import annotations

import pytest
import torch

from wmse_tui.engine.data.images import ImageSet, MemoryImages

PIXELS = torch.arange(4 * 3 * 5 * 6).remainder(256).to(torch.uint8).reshape(4, 3, 5, 6)


def test_an_image_shows_its_pixels() -> None:
    images: ImageSet = MemoryImages(name="x", split="train", pixels=PIXELS)
    picture = images.image(2)
    assert (picture.mode, picture.size) == ("RGB", (6, 5))
    assert picture.getpixel((4, 1)) == tuple(PIXELS[2, :, 1, 4].tolist())
    assert len(images) == 4


def test_take_keeps_images_and_labels_together() -> None:
    images = MemoryImages(
        name="x",
        split="train",
        pixels=PIXELS,
        labels=torch.tensor([3, 2, 1, 0]),
        classes=("a", "b", "c", "d"),
    )
    taken = images.take(torch.tensor([3, 1]))
    assert torch.equal(taken.pixels, PIXELS[[3, 1]])
    assert taken.labels is not None
    assert taken.labels.tolist() == [0, 2]
    assert (taken.name, taken.split, taken.classes) == ("x", "train", ("a", "b", "c", "d"))


@pytest.mark.parametrize("pixels", [PIXELS.float(), PIXELS[:, :1], PIXELS[0]])
def test_other_pixels_are_refused(pixels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"pixels are uint8 \(images, 3, height, width\), not torch\."):
        MemoryImages(name="x", split="train", pixels=pixels)


@pytest.mark.parametrize("labels", [torch.zeros(3, dtype=torch.int64), torch.zeros(4, dtype=torch.int32)])
def test_other_labels_are_refused(labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"labels are int64 \(4,\), not torch\."):
        MemoryImages(name="x", split="train", pixels=PIXELS, labels=labels)
