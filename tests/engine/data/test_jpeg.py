"""Which JPEGs a decoder gets, what it makes of them, and whether it can be relied on."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor

from wmse_tui.engine.data import jpeg
from wmse_tui.engine.data.jpeg import decode_jpegs, decoder_fault, ordinary

CPU = torch.device("cpu")


def encoded(mode: str = "RGB", size: tuple[int, int] = (24, 17), **options: Any) -> bytearray:
    """A JPEG of a smooth picture."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    levels = np.stack((9 * rows, 9 * columns, 200 - 5 * rows), axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).convert(mode).save(file, "JPEG", **options)
    return bytearray(file.getvalue())


def orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"exif": orientation(6)},
        {"comment": b"\xff\xd9\xff\xda"},
        {"restart_marker_rows": 1},
    ],
    ids=lambda options: " ".join(options) or "plain",  # equal in every process: two run at a time
)
def test_ordinary_photographs_go_to_the_decoder_with_their_size(options: dict[str, Any]) -> None:
    data = encoded(**options)
    assert ordinary(data) == (17, 24)
    assert ordinary(data + b"something behind the end") == (17, 24)
    assert ordinary(data[:2] + b"\xff" + data[2:]) == (17, 24), "markers may have filling before them"
    (found,) = decode_jpegs([data], CPU)
    pillows = torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1)
    assert found is not None
    assert (found.int() - pillows.int()).abs().max() <= 2  # the same library does both, in two builds


def png() -> bytearray:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return bytearray(file.getvalue())


def of_another_kind(at: int, value: int) -> bytearray:
    """A JPEG with one byte of its frame header changed; 0 is the second byte of the marker."""
    data = encoded()
    data[data.index(b"\xff\xc0") + 1 + at] = value
    return data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(bytearray(), id="empty"),
        pytest.param(png(), id="PNG"),
        pytest.param(encoded("L"), id="grey"),
        pytest.param(encoded("CMYK"), id="CMYK"),
        pytest.param(encoded(keep_rgb=True), id="stored as RGB"),
        pytest.param(of_another_kind(0, 0xC9), id="arithmetic"),
        pytest.param(of_another_kind(3, 12), id="12 bits"),
        pytest.param(bytearray(b"\xff\xd8\xff\xda\0\2\xff\xd9"), id="no frame"),
        *(pytest.param(encoded()[:-cut], id=f"{cut} bytes short") for cut in (1, 2, 100, 300, 550)),
    ],
)
def test_what_decoders_may_read_differently_is_left_to_pillow(data: bytearray) -> None:
    assert ordinary(data) is None


def test_every_truncated_file_is_parsed_without_fault() -> None:
    data = encoded()
    assert {ordinary(data[:end]) for end in range(len(data))} == {None}


def test_what_pillow_calls_a_bomb_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 17)
    assert ordinary(encoded()) == (17, 24)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 17 - 1)
    assert ordinary(encoded()) is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert ordinary(encoded()) == (17, 24)


@pytest.mark.parametrize("refused", [(), (0,), (4,), (1, 2, 3), (0, 1, 2, 3, 4)])
def test_only_the_files_that_are_refused_are_missing(refused: tuple[int, ...]) -> None:
    files = [encoded(size=(8 + number, 9)) for number in range(5)]
    for number in refused:
        files[number] = files[number][: len(files[number]) // 2]
    found = decode_jpegs(files, CPU)
    assert [None if one is None else one.shape[2] for one in found] == [
        None if number in refused else 8 + number for number in range(5)
    ]
    assert decode_jpegs([], CPU) == []


def test_too_little_memory_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> list[Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torchvision.io, "decode_jpeg", full)
    for use in (lambda: decode_jpegs([encoded()], CPU), lambda: decoder_fault(CPU)):
        with pytest.raises(torch.OutOfMemoryError):
            use()


def test_a_decoder_is_relied_on_when_it_shows_the_same_as_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoder_fault(CPU) is None
    decode = jpeg._decode
    monkeypatch.setattr(jpeg, "_decode", lambda files, device: [decode(files, device)[0].flip(0)])
    assert decoder_fault(CPU) == "its decoder does not agree with Pillow"
    monkeypatch.setattr(jpeg, "_decode", lambda files, device: [decode(files, device)[0].mT])
    assert decoder_fault(CPU) == "its decoder does not agree with Pillow"


def test_a_torchvision_without_the_decoder_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def unbuilt(*_: object, **__: object) -> list[Tensor]:
        raise RuntimeError("decode_jpegs_cuda: torchvision not compiled with nvJPEG support\nat line 3")

    version = torchvision.__version__
    with monkeypatch.context() as patch:
        patch.setattr(torchvision.io, "decode_jpeg", unbuilt)
        assert decoder_fault(CPU) == (
            f"torchvision {version} cannot: decode_jpegs_cuda: torchvision not compiled with nvJPEG support"
        )
    monkeypatch.delattr(torchvision.io, "decode_jpeg")
    assert "has no attribute 'decode_jpeg'" in str(decoder_fault(CPU))


def test_a_gpus_decoder_waits_for_the_callers_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not itself, and its output may be memory that queued kernels of that stream still read."""
    calls: list[str] = []
    stream = SimpleNamespace(synchronize=lambda: calls.append("synchronise"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)

    def decode(files: list[Tensor], **_: Any) -> list[Tensor]:
        calls.append(f"decode {len(files)}")
        if len(files) > 1:
            raise RuntimeError("one of them is damaged")
        return [torch.zeros(3, 1, 1, dtype=torch.uint8)]

    monkeypatch.setattr(torchvision.io, "decode_jpeg", decode)
    decode_jpegs([bytearray(b"x"), bytearray(b"y")], torch.device("cuda:0"))
    assert calls == ["synchronise", "decode 2", "synchronise", "decode 1", "synchronise", "decode 1"]
