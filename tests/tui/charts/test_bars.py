"""The spectrum, and bars on their side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult

from wmse_tui.tui.charts.bars import Bar, Bars, Spectrum, draw_bars, draw_spectrum
from wmse_tui.tui.charts.canvas import Drawing
from wmse_tui.tui.charts.style import ChartStyle

PLAIN = ChartStyle()
ASCII = ChartStyle(ascii=True)
FALLING = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.06, 0.03)
LYING = (
    Bar(label="GPU", value=50, text="50 %"),
    Bar(label="memory", value=3.2, text="3.2 GB"),
    Bar(label="CPU", value=None, text="unknown"),
    Bar(label="heat", value=120, text="120", alarm=True),
)


def lines(drawing: Drawing) -> list[str]:
    return [line.rstrip() for line in drawing.text.split("\n")]


def test_a_spectrum_is_bars_on_a_logarithmic_axis() -> None:
    assert lines(draw_spectrum(FALLING, width=30, height=8, style=PLAIN, ranks=32, title="Spectrum")) == [
        "Spectrum",
        "     │▆▆▆▆",
        "    1┤███████▂▂▂",
        "     │██████████▄▄▄▄",
        "     │██████████████▆▆▆▁▁▁",
        "  0.1┤████████████████████▂▂▂",
        "     │███████████████████████▄",
        " rank              20",
    ]
    assert lines(draw_spectrum(FALLING, width=30, height=8, style=ASCII, ranks=32))[1] == "    1|#######..."


def test_eigenvalues_without_a_logarithm_are_marked() -> None:
    values = (1.0, 0.1, 0.0, -1e-9, math.nan, 1e-20)

    assert (
        lines(draw_spectrum(values, width=30, height=8, style=PLAIN))[5] == "  0.1┤█████▁▁▁▁▁▾▾▾▾▾▾▾▾▾▾▾▾▾▾"
    )


@pytest.mark.parametrize(
    ("values", "sentence"), [((), "no spectrum yet"), ((0.0, -1.0), "no eigenvalue is positive")]
)
def test_a_spectrum_that_cannot_be_drawn_is_a_sentence(values: Sequence[float], sentence: str) -> None:
    assert sentence in draw_spectrum(values, width=40, height=6, style=PLAIN).text


def test_bars_are_beside_their_labels() -> None:
    assert lines(draw_bars(LYING, width=30, height=4, style=PLAIN, maximum=100)) == [
        "GPU    ███████▌           50 %",
        "memory ▌                3.2 GB",
        "CPU                    unknown",
        "heat   ███████████████     120",
    ]
    assert lines(draw_bars(LYING, width=30, height=4, style=ASCII, maximum=100))[:2] == [
        "GPU    ########           50 %",
        "memory #                3.2 GB",
    ]


def test_without_a_maximum_the_longest_bar_fills_the_width() -> None:
    drawn = draw_bars([Bar(label="a", value=2), Bar(label="b", value=4)], width=11, height=2, style=PLAIN)

    assert lines(drawn) == ["a ████", "b ████████"]


numbers = st.floats() | st.floats(1e-6, 10)
bars = st.builds(Bar, label=st.text(max_size=9), value=st.none() | numbers, text=st.text(max_size=9))


@given(
    st.lists(numbers, max_size=30),
    st.lists(bars, max_size=5),
    st.integers(-1, 50),
    st.integers(-1, 12),
    st.sampled_from([PLAIN, ASCII]),
    st.none() | st.floats(),
)
def test_any_values_are_drawn_at_any_size(
    values: list[float],
    lying: list[Bar],
    width: int,
    height: int,
    style: ChartStyle,
    maximum: float | None,
) -> None:
    for drawing in (
        draw_spectrum(values, width=width, height=height, style=style, title="T"),
        draw_bars(lying, width=width, height=height, style=style, maximum=maximum),
    ):
        assert len(drawing.rows) == (height if min(width, height) > 0 else 0)
        for row in drawing.rows:
            text = "".join(segment.text for segment in row)
            assert cell_len(text) == width
            assert text.isascii() or style is PLAIN


class Both(App[None]):
    def compose(self) -> ComposeResult:
        yield Bars()
        yield Spectrum()


@pytest.mark.asyncio
async def test_the_widgets_show_their_values() -> None:
    app = Both()
    async with app.run_test(size=(40, 12)) as pilot:
        lying, spectrum = app.query_one(Bars), app.query_one(Spectrum)
        lying.show(LYING, maximum=100)
        spectrum.show(FALLING, ranks=32, title="Spectrum", note="projector")
        await pilot.pause()

        assert lying.size.height == 4
        assert lines(lying.drawing)[0].startswith("GPU    ██")
        assert spectrum.size.height == 8
        assert lines(spectrum.drawing)[0] == "Spectrum projector"
        lying.show(LYING[:2])
        await pilot.pause()
        assert lying.size.height == 2
        assert spectrum.size.height == 10


def test_a_spectrum_without_values_has_a_sentence_and_no_scale() -> None:
    for values, text in (((), "no spectrum yet"), ((0.0, -1.0), "no eigenvalue is positive")):
        drawn = draw_spectrum(values, width=40, height=9, style=ChartStyle(), title="Spectrum").text
        assert drawn.startswith("Spectrum ")
        assert " ".join(drawn.split()) == f"Spectrum {text}"
