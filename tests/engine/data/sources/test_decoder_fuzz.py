"""Damaged files of every format that Pillow writes: each is decoded or named, whatever its decoder raises."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wmse_tui.engine.data.jpeg import ordinary
from wmse_tui.engine.data.sources.image_file import REFUSED, decode_image, unreadable
from wmse_tui.engine.errors import DataError

QUICK, THOROUGH = 200, 5000
MODES = ("RGB", "L", "P", "RGBA", "1", "I;16", "F", "CMYK")
OPTIONS: dict[str, tuple[dict[str, object], ...]] = {
    "JPEG": ({}, {"progressive": True}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"compression": "tiff_deflate"}),
    "WEBP": ({}, {"lossless": True}),
}


def formats() -> list[str]:
    Image.init()
    return sorted(kind for kind in Image.SAVE if kind in Image.OPEN and kind not in REFUSED)


def originals(kind: str) -> Iterator[bytes]:
    """Small files of a format, in all modes and ways of packing that it knows."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    for mode in ("RGBA",) if kind == "ICNS" else MODES:  # which scales an icon to eight sizes
        image = picture.convert("L").convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)
        for options in OPTIONS.get(kind, ({},)):
            file = io.BytesIO()
            try:
                image.save(file, kind, **options)
            except Exception:  # noqa: BLE001  not in this mode
                continue
            yield file.getvalue()


def damaged(data: bytes, draw: random.Random) -> bytes:
    """The bytes of a file after one to three accidents."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(min(len(found), draw.choice((16, 64, 512, len(found)))) or 1)
        match draw.randrange(6):
            case 0:
                found[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del found[at:]
            case 2:
                found[at : at + 4] = draw.choice((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x05"))
            case 3:
                del found[at : at + draw.randint(1, 20)]
            case 4:
                found[at:at] = found[: draw.randint(1, 40)]
            case 5:
                found[at : at + 2] = draw.randrange(2**16).to_bytes(2, "little")
    return bytes(found)


def outcome(path: Path) -> str:
    """The only good outcome, or what is wrong with it."""
    try:
        mode = decode_image(path).mode
    except DataError as error:
        named = error.detail.startswith(f"{path}: ") and str(path) in error.next[0]
        return "decoded or named" if named else str(error)
    return "decoded or named" if mode == "RGB" else mode


@pytest.mark.parametrize(
    "count", [QUICK, pytest.param(THOROUGH, marks=[pytest.mark.slow_faults, pytest.mark.timeout(1200)])]
)
@pytest.mark.parametrize("kind", formats())
@pytest.mark.filterwarnings("ignore")
def test_every_damaged_file_is_decoded_or_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    kind: str,
    count: int,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)  # damaged sizes would only cost time
    suffixes = [name for name, known in Image.registered_extensions().items() if known == kind]
    path = tmp_path / f"damaged{(suffixes or ['.png'])[0]}"
    whole = list(originals(kind))
    assert whole, f"{kind} is written in no mode"
    draw = random.Random(f"{kind} {count}")
    for number in range(count):
        data = damaged(whole[number % len(whole)], draw)
        path.write_bytes(data)
        ordinary(data)
        unreadable(str(path))
        assert outcome(path) == "decoded or named"
    record_property("tries", count)
