"""The evaluation's images: in order, in batches of any size, resized and cropped as by torchvision."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms

from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation.pixel_batches import Geometry, pixel_batches


class Files:
    """Images of any sizes that are not in memory at once, as a folder has them; records which were read."""

    name, split, classes, pixels = "folder", "test", ("a", "b"), None

    def __init__(self, images: list[Image.Image], labels: Tensor | None = None) -> None:
        self.images = images
        self.labels = labels
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> Image.Image:
        self.read.append(index)
        return self.images[index]

    def take(self, indices: Tensor) -> Files:
        return Files([self.images[i] for i in indices.tolist()])


def random_pixels(count: int, height: int, width: int) -> Tensor:
    return torch.randint(
        256, (count, 3, height, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )


def pillow_images_of(pixels: Tensor) -> list[Image.Image]:
    return [Image.fromarray(each.permute(1, 2, 0).contiguous().numpy()) for each in pixels]


@pytest.mark.parametrize("batch_size", [1, 4, 23, 1000])
def test_every_image_comes_once_and_in_order_whatever_the_batch_size(batch_size: int) -> None:
    pixels = random_pixels(23, 6, 5)

    for images in (MemoryImages(name="m", split="test", pixels=pixels), Files(pillow_images_of(pixels))):
        batches = list(pixel_batches(images, Geometry(), batch_size=batch_size))
        assert torch.equal(torch.cat(batches), pixels)
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)


def test_even_batches_differ_by_one_image_at_most() -> None:
    images = MemoryImages(name="m", split="test", pixels=random_pixels(23, 6, 5))

    batches = list(pixel_batches(images, Geometry(), batch_size=22, even=True))

    assert [len(batch) for batch in batches] == [11, 12]
    assert torch.equal(torch.cat(batches), images.pixels)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (60, 97), (201, 70), (33, 35)])
def test_resize_and_crop_are_those_of_torchvision_on_pil_images(height: int, width: int) -> None:
    pixels = random_pixels(3, height, width)
    single = pillow_images_of(pixels)
    paper = transforms.Compose(
        [transforms.Resize(70, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(64)]
    )
    expected = torch.stack([torch.from_numpy(np.array(paper(each))).permute(2, 0, 1) for each in single])

    for images in (MemoryImages(name="m", split="test", pixels=pixels), Files(single)):
        (batch,) = pixel_batches(images, Geometry(resize=70, crop=64), batch_size=10)
        assert torch.equal(batch, expected)


def test_images_in_memory_that_have_the_size_already_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    images = MemoryImages(name="m", split="test", pixels=random_pixels(5, 12, 9))
    monkeypatch.setattr(MemoryImages, "image", None)

    (batch,) = pixel_batches(images, Geometry(resize=9, crop=8), batch_size=10)

    assert torch.equal(batch, images.pixels[:, :, 2:10, 0:8])


def test_images_of_many_sizes_share_a_batch_once_they_are_resized_and_cropped() -> None:
    images = Files([pillow_images_of(random_pixels(1, h, w))[0] for h, w in ((20, 30), (44, 16), (16, 16))])

    (batch,) = pixel_batches(images, Geometry(resize=16, crop=16), batch_size=10)

    assert batch.shape == (3, 3, 16, 16)


def test_images_of_many_sizes_without_a_crop_are_refused() -> None:
    images = Files([pillow_images_of(random_pixels(1, h, w))[0] for h, w in ((20, 30), (44, 16))])

    with pytest.raises(DataError) as caught:
        list(pixel_batches(images, Geometry(), batch_size=10))

    assert "the evaluation's images differ in size: 16 x 44 px and 30 x 20 px are among them" in str(
        caught.value
    )
    assert "dataset.eval_resize" in caught.value.next[0]


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (40_000, 3)])
def test_of_an_endless_strip_only_the_middle_is_resized(size: tuple[int, int]) -> None:
    pixels = random_pixels(1, size[1], size[0])
    (batch,) = pixel_batches(
        Files(pillow_images_of(pixels)), Geometry(resize=256, crop=224), batch_size=1, workers=1
    )
    assert tuple(batch.shape) == (1, 3, 224, 224)


def test_of_a_long_image_the_middle_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    waves = 127 + 100 * torch.sin(torch.arange(900) / 9).expand(1, 3, 20, 900)
    images = Files(pillow_images_of(waves.to(torch.uint8)))
    geometry = Geometry(resize=32, crop=24)
    (whole,) = pixel_batches(images, geometry, batch_size=1)
    monkeypatch.setattr("wmse_tui.engine.evaluation.pixel_batches.MOST_PIXELS", 32 * 32)
    (cut,) = pixel_batches(images, geometry, batch_size=1)
    assert (cut.float() - whole.float()).abs().max() <= 3


def test_an_endless_strip_that_is_not_cropped_is_named() -> None:
    images = Files(pillow_images_of(random_pixels(1, 1, 60_000)))
    with pytest.raises(DataError, match="image 0 of test: 60000 x 1 px with a shorter side of 256 px"):
        list(pixel_batches(images, Geometry(resize=256), batch_size=1))


def test_a_crop_larger_than_the_image_is_refused() -> None:
    pixels = random_pixels(2, 30, 40)

    for images in (MemoryImages(name="m", split="test", pixels=pixels), Files(pillow_images_of(pixels))):
        with pytest.raises(DataError) as caught:
            list(pixel_batches(images, Geometry(crop=32), batch_size=10))
        assert (
            "an image is smaller than the evaluation's crop: 40 x 30 px, and the crop needs 32 x 32"
            in str(caught.value)
        )
        assert caught.value.next[0] == "set dataset.eval_resize to 32 or more"


def test_a_consumer_that_leaves_early_leaves_no_thread_and_few_decoded_images() -> None:
    images = Files(pillow_images_of(random_pixels(100, 4, 4)))

    batches = pixel_batches(images, Geometry(), batch_size=5, workers=2)
    next(batches)
    batches.close()

    assert len(images.read) <= 15  # the batch that was taken and two ahead
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("evaluation")]


def test_the_error_of_an_unreadable_image_passes() -> None:
    class Broken(Files):
        def image(self, index: int) -> Image.Image:
            if index == 7:
                raise DataError("dog.jpg is no image")
            return super().image(index)

    with pytest.raises(DataError, match=r"dog\.jpg is no image"):
        list(pixel_batches(Broken(pillow_images_of(random_pixels(10, 4, 4))), Geometry(), batch_size=2))


def test_a_batch_of_nothing_is_refused() -> None:
    images = MemoryImages(name="m", split="test", pixels=random_pixels(2, 4, 4))

    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        list(pixel_batches(images, Geometry(), batch_size=0))
