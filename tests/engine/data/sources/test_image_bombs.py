"""Small files that claim large pictures are refused before memory is allocated."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wmse_tui.engine.data.sources import image_file
from wmse_tui.engine.data.sources.image_file import DamagedImage, decode_cleaned, decode_image, unreadable


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *, depth: int, colour: int) -> bytes:
    """A PNG that claims a size and has one row of it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(bytes(1 + width * depth // 8 * 4))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def claiming(kind: str, width: int, height: int) -> bytes:
    """A small picture whose header claims another size."""
    file = io.BytesIO()
    if kind == "png":
        return png(width, height, depth=8, colour=2)
    if kind == "png16":
        return png(width, height, depth=16, colour=0)
    Image.new("RGB" if kind != "gif" else "P", (8, 8)).save(file, "TIFF" if kind == "tiff" else kind.upper())
    content = bytearray(file.getvalue())
    if kind == "gif":
        content[6:10] = struct.pack("<HH", width, height)
    elif kind == "bmp":
        content[18:26] = struct.pack("<ii", width, height)
    elif kind == "tiff":
        (offset,) = struct.unpack("<I", content[4:8])
        (count,) = struct.unpack("<H", content[offset : offset + 2])
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag = struct.unpack("<H", content[entry : entry + 2])[0]
            if tag in (256, 257):
                content[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, width if tag == 256 else height)
    elif kind == "jpeg":
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", height, width)
    elif kind == "ppm":
        content = bytearray(f"P6 {width} {height} 255\n".encode())
    return bytes(content)


@pytest.mark.parametrize("kind", ["png", "png16", "gif", "bmp", "tiff", "jpeg", "ppm"])
@pytest.mark.parametrize("size", [(9_500, 9_500), (65_000, 65_000), (1, 2**30)], ids=str)
def test_a_small_file_that_claims_a_large_picture_is_refused(
    kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    width, height = size
    if kind in ("gif", "jpeg") and max(size) > 65_535:
        width = height = 65_535  # the largest that they can claim
    path = tmp_path / f"bomb.{kind.removesuffix('16')}"
    path.write_bytes(claiming(kind, width, height))
    tracemalloc.start()
    with pytest.raises(DamagedImage):
        decode_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_pictures_up_to_the_bound_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (40, 30)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    assert decode_image(path).size == (40, 30)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1199)
    with warnings.catch_warnings():  # of Pillow, which is content with twice as many
        warnings.simplefilter("ignore")
        with pytest.raises(DamagedImage, match="40 x 30 pixels, and 1,199 is the most"):
            decode_image(path)


def test_a_file_that_is_larger_than_any_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.webp"
    path.write_bytes(b"RIFF\0\0\0\0WEBPVP8 ")
    os.truncate(path, 2**40)
    with pytest.raises(DamagedImage, match="1,073,741,824 is the most"):
        decode_image(path)
    assert "is the most" in (unreadable(str(path)) or "")


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_values_are_converted_alike_in_bands(
    dtype: type[np.generic], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(0, 60_000, (37, 23)).astype(dtype)
    if dtype is np.float32:
        values[5, 5], values[30, 2] = np.nan, np.inf
    path = tmp_path / "deep.tif"
    Image.fromarray(values).save(path)
    whole = decode_cleaned(path)
    monkeypatch.setattr(image_file, "_BAND_PIXELS", 50)
    banded = decode_cleaned(path)
    assert banded.cleaned == whole.cleaned == (2 if dtype is np.float32 else 0)
    assert banded.picture.tobytes() == whole.picture.tobytes()
