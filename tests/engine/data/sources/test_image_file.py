"""Image files of every kind come out as 8-bit RGB, or are named."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wmse_tui.config.datasets import IMAGE_EXTENSIONS
from wmse_tui.engine.data.sources.image_file import (
    REFUSED,
    decode_cleaned,
    decode_image,
    repairs,
    unreadable,
)
from wmse_tui.engine.errors import DataError


def pixel(path: Path) -> tuple[int, ...]:
    image = decode_image(path)
    assert image.mode == "RGB"
    return tuple(int(value) for value in np.asarray(image)[0, 0])


@pytest.mark.parametrize(
    ("mode", "colour", "name", "expected"),
    [
        ("RGB", (10, 20, 30), "a.png", (10, 20, 30)),
        ("L", 77, "a.png", (77, 77, 77)),
        ("1", 1, "a.png", (255, 255, 255)),
        ("LA", (77, 0), "a.png", (77, 77, 77)),
        ("RGBA", (10, 20, 30, 0), "a.png", (10, 20, 30)),
        ("CMYK", (255, 0, 0, 0), "a.tif", (0, 255, 255)),
        ("L", 77, "a.pgm", (77, 77, 77)),
        ("RGB", (10, 20, 30), "a.bmp", (10, 20, 30)),
    ],
)
def test_every_mode_becomes_rgb(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], name: str, expected: tuple[int, ...]
) -> None:
    Image.new(mode, (4, 3), colour).save(tmp_path / name)
    assert pixel(tmp_path / name) == expected


def test_a_palette_with_transparency_keeps_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([9, 9, 9, 10, 20, 30])
    image.save(tmp_path / "a.png", transparency=bytes([255, 0]))
    assert pixel(tmp_path / "a.png") == (10, 20, 30)


@pytest.mark.parametrize(("level", "shade"), [(0, 0), (257, 1), (32896, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path, level: int, shade: int) -> None:
    grey = np.full((3, 4), level, np.uint16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(grey).save(tmp_path / name)
        assert pixel(tmp_path / name) == (shade, shade, shade)


@pytest.mark.parametrize(
    ("values", "kind", "shade"),
    [
        ([[0.0, 0.5, 1.0]], "float32", 128),
        ([[0.0, 128.0, 255.0]], "float32", 128),
        ([[0.0, 500.0, 1000.0]], "float32", 128),
        ([[0, 128, 255]], "int32", 128),
        ([[0, 32896, 65535]], "int32", 128),
    ],
)
def test_floating_point_and_long_images_are_scaled_by_their_range(
    tmp_path: Path, values: list[list[float]], kind: str, shade: int
) -> None:
    Image.fromarray(np.array(values, kind)).save(tmp_path / "a.tif")
    assert np.asarray(decode_image(tmp_path / "a.tif"))[0, 1].tolist() == [shade] * 3


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 3.4e38, -3.4e38])
def test_values_that_are_no_numbers_are_black_and_do_not_count_for_the_range(
    tmp_path: Path, odd: float
) -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "whole.tif")
    values[0, 5] = odd
    Image.fromarray(values).save(tmp_path / "odd.tif")
    whole, odd_one = (decode_cleaned(tmp_path / name) for name in ("whole.tif", "odd.tif"))
    assert (whole.cleaned, odd_one.cleaned) == (0, 1)
    expected = np.array(whole.picture)
    expected[0, 5] = 0
    assert np.array_equal(np.asarray(odd_one.picture), expected)


def test_the_mark_of_pixels_without_data_in_long_images_does_not_count_for_the_range(tmp_path: Path) -> None:
    values = np.array([[0, 128, 255, 2**31 - 1, -(2**31), -9999]], np.int32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    found = decode_cleaned(tmp_path / "a.tif")
    assert np.asarray(found.picture)[0, :, 0].tolist() == [0, 128, 255, 0, 0, 0]
    assert found.cleaned == 2


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert pixel(tmp_path / "a.gif") == (250, 0, 0)


def test_a_file_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.jpg")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "whole.jpg").read_bytes()[:-500])
    text = tmp_path / "text.png"
    text.write_text("hello")
    for path, cause in (
        (cut, "image file is truncated"),
        (text, "not an image, or of a kind that Pillow does not know"),
        (tmp_path / "absent.png", "No such file or directory"),
    ):
        with pytest.raises(DataError) as caught:
            decode_image(path)
        assert caught.value.title == "an image cannot be read"
        assert caught.value.detail.startswith(f"{path}: {cause}")
        assert caught.value.next == repairs(str(path))


def test_the_first_bytes_distinguish_images_from_other_files(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp", "a.ppm"):
        Image.new("RGB", (4, 3)).save(tmp_path / name)
        assert unreadable(str(tmp_path / name)) is None
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere")
    assert unreadable(str(tmp_path / "empty.jpg")) == "empty file"
    assert unreadable(str(tmp_path / "page.jpg")) == "not an image"
    assert unreadable(str(tmp_path / "lost.jpg")) == "No such file or directory"


def test_whatever_pillow_opens_is_an_image_here_too() -> None:
    Image.init()
    known = {name for name, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    refused = {name for name, kind in Image.registered_extensions().items() if kind in REFUSED}
    assert known - refused <= IMAGE_EXTENSIONS
    assert not refused & IMAGE_EXTENSIONS


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "WEBP", "QOI", "TIFF"])
def test_the_content_counts_and_not_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "scraped.jpg"
    Image.new("RGB", (16, 16), (200, 200, 200)).save(path, kind)
    assert unreadable(str(path)) is None
    assert abs(pixel(path)[0] - 200) < 3


def test_postscript_is_not_run_under_any_name(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.eps"):
        (tmp_path / name).write_bytes(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
        )
        assert unreadable(str(tmp_path / name)) == "not an image"
        with pytest.raises(DataError, match="not an image, or of a kind that Pillow does not know"):
            decode_image(tmp_path / name)


def test_a_tag_of_the_wrong_kind_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tag.tif"
    Image.effect_noise((24, 24), 50).save(path)
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, entry) == (273,):  # the strips' offsets
            struct.pack_into("<HHII", data, entry, 273, 5, 1, 8)  # a fraction instead of a number
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        decode_image(path)
    assert caught.value.detail.startswith(f"{path}: ")


def test_only_regular_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    names = {"pipe.png": "a named pipe", "link.png": "a named pipe", "zero.png": "a device"}
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # the names of sockets are short
        listening.bind("socket.png")
    for name, what in (names | {"folder.png": "a folder"}).items():
        assert unreadable(str(tmp_path / name)) == f"{what}, not a regular file"
        with pytest.raises(DataError, match=f"{name}: {what}, not a regular file"):
            decode_image(tmp_path / name)
    with pytest.raises(DataError, match=r"socket\.png: a socket, not a regular file"):
        decode_image(tmp_path / "socket.png")
