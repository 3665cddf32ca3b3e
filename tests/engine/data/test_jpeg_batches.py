"""Batches from files that are decoded in bulk: the same images, the same views, from any start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data import jpeg, jpeg_batches, padded, pipelines
from wmse_tui.engine.data.batched import make_views
from wmse_tui.engine.data.colour import jitter_
from wmse_tui.engine.data.device_views import geometry_of, jitter, prepare, with_ones
from wmse_tui.engine.data.images import MemoryImages
from wmse_tui.engine.data.jpeg import decode_jpegs
from wmse_tui.engine.data.jpeg_batches import JpegBatches
from wmse_tui.engine.data.padded import chunks, pad
from wmse_tui.engine.data.pipelines import build_batches
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.reference import to_pixels
from wmse_tui.engine.data.resident import ResidentBatches
from wmse_tui.engine.data.sources.damaged import STOP, DamagedImages, DamagedPolicy
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.data.staging import SideStream
from wmse_tui.engine.data.view_parameters import ViewLaw, ViewParameters, draw_parameters
from wmse_tui.engine.errors import DataError

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)
ALL = ViewLaw(
    brightness=0.8,
    contrast=0.8,
    saturation=0.8,
    hue=0.3,
    jitter_p=0.9,
    invert_p=0.3,
    grayscale_p=0.3,
    crop_scale=(0.1, 1.0),
    crop_ratio=(0.5, 2.0),
    flip_p=0.5,
    blur_p=0.3,
)
GREY_LEVELS = 255


def plan(batch_size: int = 4, size: int = 20) -> ViewPlan:
    zero, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return ViewPlan(law=ALL, seed=3, views=2, batch_size=batch_size, size=size, mean=zero, std=one)


def photograph(width: int, height: int, seed: int) -> Image.Image:
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def files(paths: list[Path], policy: DamagedPolicy = STOP) -> FileImages:
    names = np.array([str(path).encode() for path in paths])
    passed = DamagedImages("train", len(paths), policy)
    return FileImages(name="folder", split="train", paths=names, why="they differ in size", damaged=passed)


@pytest.fixture
def mixed(tmp_path: Path) -> FileImages:
    """Photographs of several sizes, and images of all the other kinds among them."""
    sizes = [(40, 30), (30, 40), (64, 25), (40, 30), (21, 50), (33, 33), (48, 31), (90, 20)]
    paths = [tmp_path / f"{number}.jpg" for number in range(len(sizes))]
    for seed, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        photograph(*size, seed).save(path)
    turned = Image.Exif()
    turned[0x0112] = 6
    photograph(44, 28, 20).save(tmp_path / "turned.jpg", exif=turned)
    photograph(36, 29, 21).convert("L").save(tmp_path / "grey.jpg")
    photograph(35, 27, 22).convert("CMYK").save(tmp_path / "cmyk.jpg")
    photograph(34, 38, 23).save(tmp_path / "really.png")
    (tmp_path / "really.png").rename(tmp_path / "png.jpg")
    return files([*paths, *(tmp_path / f"{name}.jpg" for name in ("turned", "grey", "cmyk", "png"))])


@pytest.mark.parametrize("budget", [1, 6000, 10**6])
def test_views_are_those_of_each_image_alone(
    mixed: FileImages, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    """Here Pillow and torchvision decode by the same library, so the pixels may be Pillow's."""
    monkeypatch.setattr(padded, "CPU_CHUNK_PIXELS", budget)
    made = list(JpegBatches(mixed, plan(), CPU).epoch(5))
    assert len(made) == 3
    seen = set()
    for found, indices in zip(made, plan().batches(12, epoch=5), strict=True):
        for row, index in enumerate(indices.tolist()):
            seen.add(index)
            pixels = to_pixels(mixed.image(index))[None]
            drawn = plan().parameters(
                epoch=5, indices=torch.tensor([index]), heights=pixels.shape[2], widths=pixels.shape[3]
            )
            for view, parameters in zip(found, drawn, strict=True):
                alone = make_views(
                    pixels, torch.tensor([0]), (parameters,), size=20, mean=plan().mean, std=plan().std
                )[0]
                assert GREY_LEVELS * (view[row] - alone[0]).abs().max() < 0.01, index
    assert seen == set(range(12))


def jitter_on_gpu(images: Tensor, parameters: ViewParameters, covered: Tensor | None = None) -> Tensor:
    height, width = images.shape[2:]
    geometry = geometry_of(height, width, 9)
    constants, numbers, needed, _ = prepare(parameters, covered, geometry, mean=(0, 0, 0), std=(1, 1, 1))
    canvas = with_ones(255 * images.flatten(2))
    return jitter(canvas, numbers, needed, constants)[:, :3].reshape(images.shape)


@pytest.mark.parametrize("changed", [jitter_, jitter_on_gpu])
def test_padding_leaves_the_colours_of_the_image_alone(changed: Callable[..., Tensor]) -> None:
    images = torch.rand(60, 3, 9, 11, generator=torch.Generator().manual_seed(0))
    parameters = draw_parameters(ALL, seed=1, epoch=0, indices=torch.arange(60), view=0, heights=9, widths=11)
    around = torch.zeros(60, 3, 20, 30)
    around[:, :, :9, :11] = images
    found = changed(around, parameters, torch.full((60,), 9 * 11 / 600))[:, :, :9, :11]
    assert GREY_LEVELS * (found - changed(images, parameters)).abs().max() < 0.01


def test_images_of_one_size_have_the_views_of_the_batched_pipeline(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(9)]
    for seed, path in enumerate(paths):
        photograph(30, 26, seed).save(path)
    images = files(paths)
    pixels = torch.stack([to_pixels(images.image(index)) for index in range(9)])
    expected = ResidentBatches(pixels, plan(), CPU, on_device=True).epoch(2)
    for ours, theirs in zip(JpegBatches(images, plan(), CPU).epoch(2), expected, strict=True):
        assert GREY_LEVELS * (ours - theirs).abs().max() < 0.01


@pytest.mark.parametrize("start", [0, 1, 3, 5])
def test_an_epoch_can_start_anywhere(mixed: FileImages, start: int) -> None:
    """Bit for bit, as a run that is resumed in mid-epoch needs it."""
    batches = JpegBatches(mixed, plan(batch_size=2), CPU)
    next(batches.epoch(0))  # one that is broken off has files ahead
    whole, rest = list(batches.epoch(1)), list(batches.epoch(1, start))
    assert len(whole) == 6
    assert len(rest) == 6 - start
    assert all(torch.equal(*pair) for pair in zip(rest, whole[start:], strict=True))


def test_files_are_read_two_batches_ahead_and_no_further(
    mixed: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = JpegBatches._read
    monkeypatch.setattr(JpegBatches, "_read", lambda self, at: read.append(at) or whole(self, at))  # type: ignore[func-returns-value]
    epoch = JpegBatches(mixed, plan(batch_size=2), CPU).epoch(0)
    next(epoch)
    assert set(read) <= {
        index for batch in list(plan(batch_size=2).batches(12, epoch=0))[:3] for index in batch.tolist()
    }
    assert len(list(epoch)) == 5
    assert sorted(read) == list(range(12))


def test_what_the_device_refuses_is_decoded_by_pillow(
    mixed: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(JpegBatches(mixed, plan(), CPU).epoch(0))
    requested: list[int] = []

    def refuse(data: list[bytearray], device: torch.device) -> list[Tensor | None]:
        requested.append(len(data))
        wrong = torch.zeros(3, 5, 5, dtype=torch.uint8)  # an image of another size is not accepted either
        return [None if number % 2 else wrong for number, _ in enumerate(data)]

    monkeypatch.setattr(jpeg_batches, "decode_jpegs", refuse)
    found = list(JpegBatches(mixed, plan(), CPU).epoch(0))
    assert sum(requested) == 9, "grey, CMYK and PNG are decoded by Pillow"
    assert all(GREY_LEVELS * (a - b).abs().max() < 0.01 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("damage", ["cut", "emptied", "removed"])
def test_a_broken_file_is_the_error_of_the_other_pipelines(mixed: FileImages, damage: str) -> None:
    path = Path(mixed.path(4))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    if damage == "removed":
        path.unlink()
    with pytest.raises(DataError) as theirs:
        mixed.image(4)
    with pytest.raises(DataError) as ours:
        list(JpegBatches(mixed, plan(), CPU).epoch(0))
    for part in ("title", "detail", "next"):
        assert getattr(ours.value, part) == getattr(theirs.value, part)
    assert str(path) in ours.value.detail


@pytest.mark.parametrize("budget", [1, 100, 2500, 10**9])
def test_parts_hold_every_image_once_and_stay_in_the_budget(
    monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(padded, "CPU_CHUNK_PIXELS", budget)
    heights, widths = torch.randint(1, 40, (2, 50), generator=torch.Generator().manual_seed(0))
    parts = list(chunks(heights, widths, CPU))
    assert sorted(torch.cat(parts).tolist()) == list(range(50))
    padded_areas = [len(part) * int(heights[part].max() * widths[part].max()) for part in parts]
    assert all(area <= budget or len(part) == 1 for part, area in zip(parts, padded_areas, strict=True))
    assert (len(parts) == 1) == (budget == 10**9)
    assert (len(parts) == 50) == (budget == 1)


def test_padded_images_are_at_the_top_left_on_black() -> None:
    images = [torch.full((3, *size), 9, dtype=torch.uint8) for size in ((2, 3), (4, 1))]
    found, covered = pad(images, CPU)
    assert found.shape == (2, 3, 4, 3)
    assert covered.tolist() == [0.5, pytest.approx(1 / 3)]
    assert (found[0, :, :2] == 9).all()
    assert (found[1, :, :, :1] == 9).all()
    assert int((found == 9).sum()) == 3 * (6 + 4)


def experiment(loader: str) -> Experiment:
    return Experiment.model_validate(
        {
            "dataset": {"name": "folder", "root": "/a", "crop": 16},
            "schedule": {"kind": "constant", "batch_size": 4},
            "method": {"name": "simclr"},
            "compute": {"loader": loader} | ({"workers": 0} if loader == "auto" else {}),
        }
    )


def choice(images: FileImages | MemoryImages, loader: str, device: torch.device) -> tuple[str, str]:
    made = build_batches(images, experiment(loader), device)
    return made.kind, made.reason


def test_a_gpu_that_can_decodes_jpegs(mixed: FileImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "decoder_fault", lambda device: None)
    decoded = "files are decoded on cuda:1, for they differ in size"
    assert choice(mixed, "auto", GPU) == ("jpeg", decoded)
    assert choice(mixed, "jpeg", GPU) == ("jpeg", f"requested; {decoded}")
    by_workers = ("workers", "images are read from files, for they differ in size; 0 processes")
    assert choice(mixed, "auto", CPU) == by_workers
    assert choice(mixed, "workers", CPU)[0] == "workers"


def test_the_reason_why_a_gpu_does_not_decode_is_reported(
    mixed: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "decoder_fault", lambda device: "it is not built for it")
    kind, reason = choice(mixed, "auto", GPU)
    assert kind == "workers"
    assert reason == (
        "images are read from files, for they differ in size; not decoded on cuda:1: it is not built for it; "
        "0 processes"
    )
    with pytest.raises(DataError) as refusal:
        choice(mixed, "jpeg", GPU)
    assert refusal.value.title == "compute.loader=jpeg needs a decoder of JPEGs on cuda:1"
    assert refusal.value.detail == "it is not built for it"
    assert refusal.value.next[0] == "--set compute.loader=workers"


def test_a_gpu_is_not_chosen_for_files_of_other_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "decoder_fault", lambda device: None)
    names = [tmp_path / f"{number}.{kind}" for kind in ("JPEG", "png") for number in range(9)]
    assert choice(files([*names[:9], names[9]]), "auto", GPU)[0] == "jpeg"
    kind, reason = choice(files([*names[:9], *names[9:11]]), "auto", GPU)
    assert kind == "workers"
    assert "; not decoded on cuda:1: 9 of 11 names sampled are of JPEGs; " in reason
    assert choice(files(names), "jpeg", GPU)[0] == "jpeg", "an explicit request is obeyed"


def test_images_in_memory_have_nothing_to_decode() -> None:
    pixels = torch.zeros(4, 3, 20, 20, dtype=torch.uint8)
    images = MemoryImages(name="folder", split="train", pixels=pixels)
    with pytest.raises(DataError) as refusal:
        choice(images, "jpeg", CPU)
    assert refusal.value.title == "compute.loader=jpeg is for images that stay in files"
    assert refusal.value.detail == "the images of folder train are of one size and in memory"
    assert refusal.value.next[0] == "--set compute.loader=batched"


def test_images_that_are_not_in_files_are_decoded_already(mixed: FileImages) -> None:
    class Pictures:
        name, split, classes, labels, pixels = "folder", "train", (), None, None

        def __len__(self) -> int:
            return len(mixed)

        def image(self, index: int) -> Image.Image:
            return mixed.image(index)

        def take(self, indices: Tensor) -> FileImages:
            raise AssertionError("a loader takes no subset")

    found = build_batches(Pictures(), experiment("jpeg"), CPU)
    assert (found.kind, found.reason) == ("jpeg", "requested; files are decoded on cpu")
    expected = build_batches(mixed, experiment("jpeg"), CPU)
    for ours, theirs in zip(found.epoch(0), expected.epoch(0), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    found.close()


def test_the_check_of_a_decoder_is_made_on_the_device_that_trains(
    mixed: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[torch.device] = []
    decode = jpeg._decode
    monkeypatch.setattr(jpeg, "_decode", lambda data, device: requested.append(device) or decode(data, CPU))  # type: ignore[func-returns-value]
    assert choice(mixed, "auto", GPU)[0] == "jpeg"
    assert requested == [GPU]


def test_a_batch_is_decoded_beside_the_steps_and_received_by_them(
    mixed: FileImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a thread, inside a block of the side stream; each part passes through its hand-over, once."""
    calls: list[tuple[str, bool]] = []
    inside = False

    class Stream(SideStream):
        @contextmanager
        def work(self) -> Iterator[None]:
            nonlocal inside
            inside = True
            with super().work():
                yield
            inside = False

        def receive(self, made: Tensor) -> Tensor:
            calls.append(("receive", threading.current_thread() is threading.main_thread()))
            return super().receive(made)

    def decode(encoded: list[bytearray], device: torch.device) -> list[Tensor | None]:
        assert inside
        calls.append(("decode", threading.current_thread() is threading.main_thread()))
        return decode_jpegs(encoded, device)

    monkeypatch.setattr(jpeg_batches, "SideStream", Stream)
    monkeypatch.setattr(jpeg_batches, "decode_jpegs", decode)
    assert len(list(JpegBatches(mixed, plan(), CPU).epoch(0))) == 3
    assert set(calls) == {("decode", False), ("receive", True)}
    assert sum(name == "receive" for name, _ in calls) == sum(name == "decode" for name, _ in calls)


def test_what_a_side_stream_made_is_recorded_on_the_stream_that_uses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else its memory would go to the next decoding while kernels of the steps still read it."""
    calls: list[str] = []
    own = SimpleNamespace(synchronize=lambda: calls.append("synchronise"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: own)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "the steps'")
    side = SideStream(GPU)
    with side.work():
        calls.append("decode")
    made = SimpleNamespace(device=GPU, record_stream=lambda stream: calls.append(f"record on {stream}"))
    side.receive(made)  # type: ignore[arg-type]
    assert calls == ["decode", "synchronise", "record on the steps'"]
