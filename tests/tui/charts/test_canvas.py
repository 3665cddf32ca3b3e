"""Cells that are written on, one character or a half of one each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from wmse_tui.tui.charts.canvas import Canvas


def test_cells_of_one_style_are_one_segment_and_spaces_join_it() -> None:
    canvas = Canvas(9, 1)
    red, marked = Style(color="red"), Style(bgcolor="blue")
    canvas.put(1, 0, "ab", red)
    canvas.put(4, 0, "c")
    canvas.put(6, 0, "d", marked)

    (row,) = canvas.drawing().rows
    assert [(segment.text, segment.style) for segment in row] == [
        (" ", Style()),
        ("ab ", red),
        ("c ", Style()),
        ("d", marked),
        ("  ", Style()),
    ]


def test_text_beyond_the_edges_is_cut() -> None:
    canvas = Canvas(3, 1)
    assert canvas.put(-1, 0, "abcde") == 4
    canvas.put(0, 1, "x")
    canvas.put(0, -1, "x")

    assert canvas.drawing().text == "bcd"
    assert Canvas(-2, 4).drawing().text == "\n\n\n"


def test_half_of_a_wide_character_is_removed() -> None:
    canvas = Canvas(6, 1)
    canvas.put(0, 0, "損失字")
    canvas.put(1, 0, "a")
    canvas.put(2, 0, "b")

    assert canvas.drawing().text == " ab 字"
    canvas.put(3, 0, "損")
    assert canvas.drawing().text == " ab損 "


@given(st.lists(st.tuples(st.integers(-2, 9), st.text("ab損é́\u200b失 ", max_size=5)), max_size=12))
def test_rows_keep_their_width(writings: list[tuple[int, str]]) -> None:
    canvas = Canvas(8, 1)
    for x, text in writings:
        canvas.put(x, 0, text)

    assert cell_len(canvas.drawing().text) == 8
