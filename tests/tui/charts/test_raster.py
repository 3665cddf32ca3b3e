"""plotext as it is used here: each dot is drawn in its cell."""

from __future__ import annotations

import threading

import pytest

from wmse_tui.tui.charts.raster import RasterLayer, dots_of, raster


def text(layers: tuple[RasterLayer, ...], width: int, height: int) -> list[str]:
    rows = [[" "] * width for _ in range(height)]
    for x, y, character, _ in raster(layers, width, height):
        rows[y][x] = character
    return ["".join(row) for row in rows]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (7, 3), (58, 10), (118, 30)])
@pytest.mark.parametrize("marker", ["", "o"])
def test_every_dot_is_drawn_in_its_cell(size: tuple[int, int], marker: str) -> None:
    across, up = dots_of(*size, marker)
    each_across, each_up = across // size[0], up // size[1]
    for column in range(across):
        row = column * 7 % up
        (cell,) = raster((RasterLayer((((column, row),),), marker),), *size)
        assert (cell.x, cell.y) == (column // each_across, size[1] - 1 - row // each_up)


def test_dots_are_joined_and_later_layers_cover_earlier_ones() -> None:
    rising = RasterLayer((((0, 0), (19, 19)),))
    falling = RasterLayer((((0, 4), (9, 0)),), "o")

    assert text((rising, falling), 10, 5) == [
        "o       ⡠⠊",
        " oo   ⡠⠊  ",
        "   oo⠊    ",
        "  ⡠⠊ oo   ",
        "⡠⠊     ooo",
    ]
    assert {cell.layer for cell in raster((rising, falling), 10, 5) if cell.character == "o"} == {1}


def test_lines_may_leave_the_box() -> None:
    assert text((RasterLayer((((0, -40), (19, 59)),)),), 10, 5) == [
        "     ⡜    ",
        "    ⢀⠇    ",
        "    ⢸     ",
        "    ⡎     ",
        "   ⢠⠃     ",
    ]
    assert raster((RasterLayer((((0, 100), (19, 100)),)),), 10, 5) == ()


def test_without_lines_or_cells_nothing_is_drawn() -> None:
    assert raster((), 10, 5) == ()
    assert raster((RasterLayer(()),), 10, 5) == ()
    assert raster((RasterLayer((((0, 0),),)),), 0, 5) == ()


def test_threads_do_not_disturb_each_other() -> None:
    expected = {
        height: text((RasterLayer((((0, 0), (19, 4 * height - 1)),)),), 10, height) for height in range(2, 12)
    }
    found: dict[int, list[str]] = {}

    def draw(height: int) -> None:
        raster.cache_clear()
        found[height] = text((RasterLayer((((0, 0), (19, 4 * height - 1)),)),), 10, height)

    threads = [threading.Thread(target=draw, args=(height,)) for height in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
