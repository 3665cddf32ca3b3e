"""Only cells that differ from the terminal are sent, and the terminal then shows what it should."""

from __future__ import annotations

from typing import Any

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from wmse_tui.tui.frame import Frame, FrameDifference

WIDTH, HEIGHT = 12, 3
STYLES = (None, Style(bold=True), Style(bgcolor="red"), Style(bold=True, meta={"@click": "x"}))
CELLS = st.lists(st.tuples(st.sampled_from("ab .─"), st.sampled_from(STYLES)), min_size=WIDTH, max_size=WIDTH)
Row = list[tuple[str, Style | None]]


def strip(row: Row) -> Strip:
    return Strip([Segment(text, style) for text, style in row], len(row))


def whole(rows: list[Row]) -> LayoutUpdate:
    return LayoutUpdate([[strip(row)] for row in rows], Region(0, 0, WIDTH, HEIGHT))


def looks(row: Row) -> list[tuple[str, object]]:
    """What is seen of cells: of a space only its background."""
    return [
        (text, style and (style.bgcolor if text == " " else (style.bgcolor, style.bold)))
        for text, style in row
    ]


def full(text: str) -> list[Row]:
    return [[(text, None) for _ in range(WIDTH)] for _ in range(HEIGHT)]


def applied(screen: list[Row], frame: Frame, update: LayoutUpdate | ChopsUpdate) -> int:
    """Draw what is sent on `screen`; returns the number of cells."""
    difference = frame.difference(update, WIDTH, HEIGHT)
    sent = 0
    for x, y, piece in () if difference is None else difference.pieces:
        cells = [(character, style) for text, style, _ in piece for character in text]
        screen[y][x : x + len(cells)] = cells
        sent += len(cells)
    return sent


@given(st.lists(st.lists(CELLS, min_size=HEIGHT, max_size=HEIGHT), min_size=1, max_size=4))
def test_after_each_update_the_terminal_shows_it(frames: list[list[Row]]) -> None:
    frame, screen = Frame(), full("?")
    for rows in frames:
        applied(screen, frame, whole(rows))
        for shown, row in zip(screen, rows, strict=True):
            assert [text for text, _ in shown] == [text for text, _ in row]
            for (_, is_), (_, should) in zip(looks(shown), looks(row), strict=True):
                assert is_ == should or not (is_ or should)
        assert applied(screen, frame, whole(rows)) == 0


def test_what_is_beyond_a_span_of_a_part_is_not_sent() -> None:
    frame, screen = Frame(), full("?")
    applied(screen, frame, whole(full("a")))
    part = ChopsUpdate([{0: strip([("b", None)] * WIDTH)}] * HEIGHT, [(1, 4, 6)], [[WIDTH]] * HEIGHT)
    assert applied(screen, frame, part) == 2
    assert "".join(text for text, _ in screen[1]) == "aaaabbaaaaaa"


def test_a_wide_character_is_sent_whole_and_a_forgotten_frame_as_well() -> None:
    frame = Frame()
    for text in ("漢字漢字漢字", "漢字亜字漢字"):
        line = Strip([Segment(text)], WIDTH)
        found = frame.difference(LayoutUpdate([[line]], Region(0, 0, WIDTH, 1)), WIDTH, 1)
    assert found is not None
    ((x, y, piece),) = found.pieces
    assert (x, y, piece.text, piece.cell_length) == (4, 0, "亜", 2)
    frame.forget()
    found = frame.difference(LayoutUpdate([[line]], Region(0, 0, WIDTH, 1)), WIDTH, 1)
    assert found is not None
    assert found.pieces[0][2].text == "漢字亜字漢字"


LOOKS = st.builds(
    Style,
    color=st.sampled_from([None, "red", "color(200)", "#123456"]),
    bgcolor=st.sampled_from([None, "bright_blue", "color(17)", "#fedcba"]),
    bold=st.sampled_from([None, True]),
    dim=st.sampled_from([None, True]),
    italic=st.sampled_from([None, True]),
    underline=st.sampled_from([None, True]),
    reverse=st.sampled_from([None, True]),
    strike=st.sampled_from([None, True]),
    overline=st.sampled_from([None, True]),
)


def drawn(sequences: list[str]) -> list[list[pyte.screens.Char]]:
    """What a terminal shows after these sequences."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    pyte.Stream(screen).feed("".join(sequences))
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.none() | LOOKS), min_size=WIDTH, max_size=WIDTH),
    st.sampled_from(["standard", "256", "truecolor"]),
)
def test_styles_are_sent_as_differences_and_look_the_same(row: Row, colours: Any) -> None:
    console = Console(color_system=colours, force_terminal=True)
    pieces = [(3 * n, n, strip(row[3 * n : 3 * n + 3])) for n in range(HEIGHT)]
    short = FrameDifference(pieces).render_segments(console)
    whole = [f"\x1b[{y + 1};{x + 1}H" + piece.render(console) for x, y, piece in pieces]
    assert drawn([short]) == drawn(whole)
    assert len(short) <= len("".join(whole))


def test_an_attribute_that_cannot_be_switched_off_alone_ends_with_all_others() -> None:
    row: Row = [("a", Style(bold=True, overline=True)), ("b", Style(bold=True)), ("c", None)]
    sent = FrameDifference([(0, 0, strip(row))]).render_segments(
        Console(color_system="256", force_terminal=True)
    )
    assert sent == "\x1b[1;1H\x1b[1;53ma\x1b[0;1mb\x1b[0mc"
