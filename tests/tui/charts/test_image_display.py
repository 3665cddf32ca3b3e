"""Pictures in cells: sizes, colours, and files that are no pictures."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.strip import Strip

from wmse_tui.tui.charts.image_display import ImageDisplay, ImageError, Pixels, draw_image, read_image
from wmse_tui.tui.charts.style import ChartStyle

PLAIN = ChartStyle()
ASCII = ChartStyle(ascii=True)
RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def pixels(*rows: tuple[tuple[int, int, int], ...]) -> Pixels:
    return Pixels(
        len(rows[0]), len(rows), bytes(channel for row in rows for pixel in row for channel in pixel)
    )


def test_two_pixels_are_a_cell() -> None:
    drawing = draw_image(pixels((RED, WHITE), (BLUE, WHITE)), width=2, height=1, style=PLAIN)
    first, second = drawing.rows[0]

    assert (first.text, second.text) == ("▀", "█")
    assert first.style is not None
    assert first.style.color is not None
    assert first.style.bgcolor is not None
    assert first.style.color.name == "#ff0000"
    assert first.style.bgcolor.name == "#0000ff"
    assert second.style is not None
    assert second.style.bgcolor is None


@pytest.mark.parametrize(
    ("size", "space", "cells"),
    [
        ((100, 100), (40, 10), (20, 10)),
        ((100, 50), (40, 40), (40, 10)),
        ((50, 200), (40, 10), (5, 10)),
        ((8, 8), (40, 10), (16, 8)),
        ((8, 8), (13, 20), (13, 7)),
        ((1000, 1), (10, 4), (10, 1)),
    ],
)
def test_an_image_fits_in_proportion(
    size: tuple[int, int], space: tuple[int, int], cells: tuple[int, int]
) -> None:
    picture = Pixels(*size, b"\xff" * (3 * size[0] * size[1]))
    drawn = draw_image(picture, width=space[0], height=space[1], style=PLAIN).text.split("\n")
    filled = [row.strip() for row in drawn if row.strip()]

    assert (max(map(len, filled)), len(filled)) == cells


def test_in_ascii_and_without_colours_characters_give_the_brightness() -> None:
    picture = pixels((BLACK, (128, 128, 128), WHITE), (BLACK, (128, 128, 128), WHITE))

    def text(style: ChartStyle) -> str:
        return draw_image(picture, width=3, height=1, style=style).text

    assert text(ASCII) == " +@"
    assert text(ChartStyle(ascii=True, palette="light")) == "@=" + " "
    assert text(ChartStyle(color=False)) == " ▒█"


@pytest.mark.parametrize(
    ("system", "sequence"),
    [("truecolor", "38;2;255;0;0"), ("256", "38;5;196"), ("standard", "31")],
)
def test_the_nearest_colour_of_the_terminal_is_sent(system: str, sequence: str) -> None:
    (segment,) = draw_image(pixels((RED,), (RED,)), width=1, height=1, style=PLAIN).rows[0]
    assert segment.style is not None
    row = [Segment(segment.text, segment.style.copy())]  # a style caches the sequence it was sent as
    console = Console(file=io.StringIO(), color_system=system, force_terminal=True)  # type: ignore[arg-type]

    assert f"\x1b[{sequence}m█" in Strip(row).render(console)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(-1, 50), st.integers(-1, 20), st.booleans())
def test_any_image_fits_any_size(columns: int, rows: int, width: int, height: int, in_ascii: bool) -> None:
    picture = Pixels(columns, rows, bytes(3 * columns * rows))
    drawing = draw_image(picture, width=width, height=height, style=ChartStyle(ascii=in_ascii))

    assert len(drawing.rows) == (height if min(width, height) > 0 else 0)
    assert all(sum(len(segment.text) for segment in row) == width for row in drawing.rows)


def test_a_png_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "views.png"
    for mode in ("RGB", "RGBA", "L", "P", "1"):
        Image.new("RGB", (3, 2), RED if mode != "1" else WHITE).convert(mode).save(path)
        assert read_image(path).width == 3
    Image.new("RGB", (3, 2), RED).save(path)
    assert read_image(path) == Pixels(3, 2, bytes(RED) * 6)


def damaged(path: Path) -> None:
    Image.new("RGB", (64, 64), RED).save(path)
    path.write_bytes(path.read_bytes()[:80])


def enormous(path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    )


def text_file(path: Path) -> None:
    path.write_text("no picture at all, but a text that is long enough")


def jpeg(path: Path) -> None:
    Image.new("RGB", (3, 2)).save(path, "JPEG")


def garbage(path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    body = b"IDAT" + b"no stream"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    )


BROKEN = {
    damaged: "p.png cannot be read: it is damaged",
    garbage: "p.png cannot be read: it is damaged",
    enormous: "p.png has 100000 x 100000 pixels, which cannot be shown",
    text_file: "p.png is not a PNG image",
    jpeg: "p.png is not a PNG image",
    Path.touch: "p.png is not a PNG image",
    Path.mkdir: "p.png cannot be read: a folder, not a regular file",
    (lambda path: None): "p.png cannot be read: No such file or directory",
}


@pytest.mark.parametrize(("make", "message"), BROKEN.items())
def test_a_file_that_is_no_image_is_an_error(make: object, message: str, tmp_path: Path) -> None:
    assert callable(make)
    make(tmp_path / "p.png")

    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / "p.png")
    assert str(caught.value) == message


class Host(App[None]):
    def compose(self) -> ComposeResult:
        yield ImageDisplay()


@pytest.mark.asyncio
async def test_the_widget_reads_a_file_in_a_thread(tmp_path: Path) -> None:
    path = tmp_path / "views.png"
    Image.new("RGB", (4, 4), RED).save(path)
    app = Host()
    async with app.run_test(size=(40, 6)) as pilot:
        picture = app.query_one(ImageDisplay)
        await pilot.pause()
        assert "no image yet" in picture.drawing.text
        picture.open(path)
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "█" in picture.drawing.text
        picture.open(tmp_path / "[bold]none.png")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "[bold]none.png cannot be read" in picture.drawing.text


@pytest.mark.asyncio
async def test_the_latest_request_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "views.png"
    Image.new("RGB", (4, 4), RED).save(path)
    app = Host()
    async with app.run_test(size=(40, 6)) as pilot:
        picture = app.query_one(ImageDisplay)
        picture.open(path)
        picture.show(None, "the preview is off")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "the preview is off" in picture.drawing.text
