"""Charts as text, in Unicode and ASCII, for any arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from wmse_tui.runs.state.curves import Curve
from wmse_tui.tui.charts.canvas import Drawing
from wmse_tui.tui.charts.drawing import ChartContent, draw_chart, y_extent
from wmse_tui.tui.charts.style import ChartStyle

PLAIN = ChartStyle()
ASCII = ChartStyle(ascii=True)


def falling(count: int = 200, label: str = "loss", offset: float = 0.0, band: bool = True) -> Curve:
    """A loss over the first `count` of 240 buckets of 100 epochs."""
    x = tuple(index * 100 / 240 for index in range(count))
    y = tuple(2 * math.exp(-at / 30) + offset for at in x)
    low, high = tuple(value * 0.9 for value in y), tuple(value * 1.1 for value in y)
    return Curve(label=label, x=x, y=y, low=low if band else (), high=high if band else ())


def accuracy(label: str = "5-NN", values: Sequence[float] = (31, 60, 70, 73), **more: Any) -> Curve:
    return Curve(label=label, x=tuple(range(0, 20 * len(values), 20)), y=tuple(values), points=True, **more)


def draw(
    curves: Sequence[Curve],
    *,
    width: int,
    height: int,
    style: ChartStyle,
    reference: Any = (),
    **content: Any,
) -> Drawing:
    chart = ChartContent(curves=tuple(curves), reference=tuple(reference), **content)
    return draw_chart(chart, width=width, height=height, style=style)


def lines(
    curves: Sequence[Curve], width: int = 46, height: int = 9, style: ChartStyle = PLAIN, **more: Any
) -> list[str]:
    given: dict[str, Any] = {"x_range": (0.0, 100.0), **more}
    return [
        line.rstrip()
        for line in draw(curves, width=width, height=height, style=style, **given).text.split("\n")
    ]


def styles(drawing: Drawing, characters: str) -> set[str]:
    """The colours in which any of `characters` is drawn."""
    return {
        str(segment.style.color.name if segment.style and segment.style.color else None)
        for row in drawing.rows
        for segment in row
        if set(segment.text) & set(characters)
    }


def test_a_curve_has_a_band_a_reference_and_ticks() -> None:
    drawn: dict[str, Any] = {"title": "Loss", "x_title": "epoch", "reference": ((2.0, "no structure"),)}

    assert lines([falling()], **drawn) == [
        "Loss",
        "     │⢀",
        "    2┤⠲⢄⡀╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ no structure",
        "     │ ⠑⠉⠓⢤⣀⢀",
        "    1┤     ⠈⠙⠒⠤⣄⣀⢀",
        "     │          ⠈⠉⠑⠒⠢⠤⠤⣀⣀⣀⢀",
        "    0┤                   ⠁⠉⠉⠉⠙⠒⠒⠒⠒⠒⠒⠤⠤⠤⠄",
        "     └┬───────────────────┬──────────────────┬",
        "epoch 0                  50                100",
    ]
    assert lines([falling()], style=ASCII, **drawn) == [
        "Loss",
        "     |",
        "    2|oo..---------------------- no structure",
        "     |..oooo..",
        "    1|    ..oooooo..",
        "     |          ..ooooooooooooo.",
        "    0|                       .ooooooooo",
        "     ++-------------------+------------------+",
        "epoch 0                  50                100",
    ]


def test_two_curves_have_markers_and_a_legend() -> None:
    curves = [falling(200, "run a"), falling(160, "run b", 0.5)]

    assert lines(curves, title="Loss", x_title="epoch") == [
        "Loss                          ● run a  ▲ run b",
        "     │⢄",
        "     │⠙⠲⢄⡀⢀",
        "    2┤⠉⠲●⣀⠙▲⠤⣀⡀⢀",
        "     │   ⠈⠙⠒⠤⣄⣀⠉⠒⠒⠤▲⣄⣀⣀⡀⢀⢀",
        "     │       ⠁⠈⠉●⠒⠦⠤⢤⣀⣀⣀⠉⠉⠙▲⠒⠒⠒⠒⠂",
        "    0┤                 ⠈●⠉⠉⠙⠒⠒⠒⠒●⠲⠤⠤⠤⠤⠤⠄",
        "     └┬───────────────────┬──────────────────┬",
        "epoch 0                  50                100",
    ]
    assert lines(curves, style=ASCII, title="Loss", x_title="epoch") == [
        "Loss                          o run a  x run b",
        "     |.",
        "     |xxxx.",
        "    2|ooooxxxxx..",
        "     |  .oooooooxxxxxxxxxx..",
        "     |        .ooooooooooooooxxxx",
        "    0|                     .ooooooooooo",
        "     ++-------------------+------------------+",
        "epoch 0                  50                100",
    ]


def test_few_values_are_marked_each_and_a_missing_one_below() -> None:
    curves = [accuracy(), accuracy("linear", (42, 70, 78, 81), marks=(80.0,))]

    assert lines(curves, title="Accuracy", y_title="%", x_title="epoch") == [
        "Accuracy %                    ● 5-NN  ▲ linear",
        "     │                       ▲",
        "   80┤           ⣀⣀⡠⠤⠤▲⠒⠒⠒⠉⠉⠉●",
        "   60┤      ⡠⠔▲⣀⣀⠤⠤⠔⠒⠒●⠉⠉⠉⠉⠉⠉⠁",
        "     │  ⢀⡠⠒⢀⠤⠊",
        "   40┤▲⠒⠁⡠⠒⠁",
        "     │●⠔⠉                            ×",
        "     └┬───────────────────┬──────────────────┬",
        "epoch 0                  50                100",
    ]
    assert lines(curves, style=ASCII, title="Accuracy", y_title="%", x_title="epoch") == [
        "Accuracy %                    o 5-NN  x linear",
        "     |",
        "   80|                x......x",
        "   60|        x.......o......",
        "     |    ....",
        "   40|x.....",
        "     |o..                            !",
        "     ++-------------------+------------------+",
        "epoch 0                  50                100",
    ]


def test_a_value_without_a_logarithm_is_marked_below_and_splits_the_line() -> None:
    curve = Curve(label="", x=(0, 25, 50, 75, 100), y=(10, 1, 0.0, 0.01, 0.001))

    assert lines([curve], title="Condition", log_y=True, x_title="hours") == [
        "Condition",
        "     │⠑⠒⠤⢄⣀⡀",
        "    1┤     ⠈⠉⠒⠢⠤⠄",
        "     │",
        "     │",
        " 0.01┤                             ⠐⠤⢄⣀",
        "     │                    ▾            ⠉⠉⠒⠢⠤⣀⣀",
        "     └┬──────────────────┬──────────────────┬─",
        "hours 0                 48h                96h",
    ]
    in_ascii = lines([curve], style=ASCII, title="Condition", log_y=True, x_title="hours")
    assert in_ascii[6] == "     |                    v         oooooooooo"


def test_without_values_there_is_a_sentence_and_no_scale() -> None:
    """Also with a reference, or a cursor, or limits: a scale would be invented."""
    more: dict[str, Any] = {"reference": ((2.0, "no structure"),), "cursor": 3.0, "y_range": (0.0, 1.0)}
    for around in ({}, more):
        assert lines([], title="Loss", height=7, **around) == [
            "Loss",
            "",
            "",
            "                no values yet",
            "",
            "",
            "",
        ]
    why = " ".join("\n".join(lines([], width=20, empty="the training has not begun")).split())
    assert why == "the training has not begun"


def test_where_no_value_is_finite_the_columns_are_marked() -> None:
    curve = Curve(label="loss", x=(0, 50), y=(math.nan, math.inf))

    assert lines([curve], title="Loss") == [
        "Loss",
        "     │",
        "     │",
        "     │         no value can be drawn",
        "     │",
        "     │",
        "     │×                   ×",
        "     └┬───────────────────┬──────────────────┬",
        "      0                  50                100",
    ]


def test_a_single_value_is_drawn() -> None:
    curve = Curve(label="loss", x=(50,), y=(1.0,))

    assert lines([curve], title="Loss") == [
        "Loss",
        "  1.1┤",
        "     │",
        "     │",
        "  1.0┤                    ●",
        "     │",
        "  0.9┤",
        "     └┬───────────────────┬──────────────────┬",
        "      0                  50                100",
    ]


def test_marks_are_in_the_colour_of_errors() -> None:
    curve = Curve(label="", x=(0, 50, 100), y=(1.0, 0.0, math.nan))
    drawing = draw([curve], width=40, height=8, style=PLAIN, log_y=True)

    assert styles(drawing, "▾×") == {"#ff8787"}


def test_series_differ_in_colour_and_marker_and_their_bands_are_faint() -> None:
    drawing = draw([falling(label="a"), falling(label="b", offset=1.0)], width=60, height=16, style=PLAIN)

    assert styles(drawing, "●") == {"#5fafff"}
    assert styles(drawing, "▲") == {"#ffaf00"}
    assert styles(drawing, "⢕⠑⢅⢄") == {"#5fafff", "#35597d", "#ffaf00", "#7d590a"}


def test_without_colours_no_style_has_one() -> None:
    style = ChartStyle(color=False)
    drawing = draw([falling(label="a"), accuracy("b")], width=60, height=16, style=style, log_y=True)

    assert all(not segment.style or segment.style.color is None for row in drawing.rows for segment in row)


def test_the_bands_of_many_curves_are_left_out() -> None:
    curves = [falling(label=name, offset=0.1) for name in "abc"]
    bare = [falling(label=name, offset=0.1, band=False) for name in "abc"]

    assert draw(curves, width=60, height=16, style=PLAIN) == draw(bare, width=60, height=16, style=PLAIN)


def test_a_legend_that_does_not_fit_beside_the_title_goes_where_the_least_is_hidden() -> None:
    curves = [falling(200, f"a long name of run {index}", index * 0.1, band=False) for index in range(5)]
    drawn = lines(curves, width=60, height=12, title="Loss")

    assert drawn[0] == "Loss"
    assert drawn[1].endswith("● a long name of run 0")
    assert drawn[5].endswith("○ a long name of run 4")


@pytest.mark.parametrize("style", [PLAIN, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [24, 36, 60])
def test_different_curves_have_different_labels_in_any_legend(width: int, style: ChartStyle) -> None:
    names = [f"quickstart-{run}-2026 {what}" for run in "ab" for what in ("k-NN", "Linear")]
    drawn = lines([accuracy(name) for name in names], width=width, height=12, style=style, title="Accuracy")
    markers = [style.marker(index) for index in range(4)]
    labels = {
        line.rpartition(f"{marker} ")[2] for line in drawn for marker in markers if f"{marker} " in line
    }
    assert len(labels) == 4


def test_a_legend_of_more_curves_than_rows_counts_the_others() -> None:
    curves = [falling(200, f"a long name of run {index}", band=False) for index in range(12)]
    drawn = "\n".join(lines(curves, width=60, height=9))

    assert "+ 8 more" in drawn


def test_names_from_files_are_sanitised() -> None:
    curves = [falling(label="\x1b]52;c;Zm9v\x07"), falling(label="[/red]\u202e")]
    text = "\n".join(lines(curves, width=100))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b]52;c;Zm9v\\x07" in text
    assert "[/red]" in text


def test_characters_of_two_cells_keep_their_rows_in_line() -> None:
    drawing = draw(
        [falling(label="損失"), falling(label="二つ目")], width=44, height=9, style=PLAIN, title="損失"
    )

    assert [cell_len("".join(segment.text for segment in row)) for row in drawing.rows] == [44] * 9
    assert drawing.rows[0][0].text.startswith("損失")


def test_a_reference_far_from_the_values_does_not_flatten_them() -> None:
    def extent_of(*curves: Curve) -> object:
        return y_extent(ChartContent(curves=curves, reference=((2.0, "no structure"),)))

    flat = Curve(label="", x=(0, 100), y=(0.30, 0.31))
    assert extent_of(flat) == (0.30, 0.31)
    assert extent_of(falling(band=False)) == pytest.approx((0.126, 2.0), rel=0.01)
    assert extent_of() == (2.0, 2.0)
    assert y_extent(ChartContent()) is None


def test_points_outside_the_range_of_x_are_left_out() -> None:
    curve = Curve(label="", x=(0, 50, 150), y=(1, 1, 5))

    assert lines([curve], y_range=(0.0, 2.0)) == lines(
        [Curve(label="", x=(0, 50), y=(1, 1))], y_range=(0.0, 2.0)
    )


def test_a_million_points_are_drawn_with_their_spikes() -> None:
    count = 1_000_000
    y = [1.0] * count
    y[345_678] = 3.0
    drawn = lines([Curve(label="", x=tuple(range(count)), y=tuple(y))], x_range=(0, count))

    assert any(line[6:].strip() for line in drawn[:3])


def test_new_values_beyond_the_old_ones_change_only_cells_beyond_them() -> None:
    before = draw([falling(120)], width=60, height=12, style=PLAIN, x_range=(0, 100), y_range=(0, 2.5))
    after = draw([falling(124)], width=60, height=12, style=PLAIN, x_range=(0, 100), y_range=(0, 2.5))
    changed = [
        (x, y)
        for y, (old, new) in enumerate(zip(before.text.split("\n"), after.text.split("\n"), strict=True))
        for x, (one, other) in enumerate(zip(old, new, strict=True))
        if one != other
    ]

    assert changed
    assert all(31 <= x <= 34 for x, _ in changed)


@pytest.mark.parametrize(
    "size", [(0, 0), (0, 9), (9, 0), (-3, 4), (1, 1), (5, 3), (1, 40), (300, 1), (20, 4)]
)
def test_any_size_is_filled_exactly(size: tuple[int, int]) -> None:
    drawing = draw([falling(label="a"), accuracy("b")], width=size[0], height=size[1], style=PLAIN, title="T")

    assert len(drawing.rows) == (size[1] if min(size) > 0 else 0)
    assert all(sum(len(segment.text) for segment in row) == size[0] for row in drawing.rows)


anything = st.floats()
values = st.lists(st.floats(-10, 10) | anything, max_size=20).map(tuple)
curves = st.builds(
    Curve,
    label=st.text(max_size=12),
    x=values,
    y=values,
    low=values,
    high=values,
    marks=values,
    points=st.booleans(),
)
ranges = st.none() | st.tuples(anything, anything)


@settings(max_examples=150)
@given(
    st.lists(curves, max_size=4),
    st.integers(-1, 60),
    st.integers(-1, 20),
    st.sampled_from([PLAIN, ASCII]),
    ranges,
    ranges,
    st.booleans(),
    st.lists(st.tuples(anything, st.text(max_size=9)), max_size=2),
    st.text(max_size=20),
    st.sampled_from(["", "epoch", "hours", "a title of twenty-four cells"]),
)
def test_any_arguments_are_drawn(
    given: list[Curve],
    width: int,
    height: int,
    style: ChartStyle,
    x_range: tuple[float, float] | None,
    y_range: tuple[float, float] | None,
    log_y: bool,
    reference: list[tuple[float, str]],
    title: str,
    x_title: str,
) -> None:
    def drawn() -> Drawing:
        return draw(
            given,
            width=width,
            height=height,
            style=style,
            x_range=x_range,
            y_range=y_range,
            log_y=log_y,
            reference=reference,
            title=title,
            x_title=x_title,
        )

    drawing = drawn()
    assert len(drawing.rows) == (height if min(width, height) > 0 else 0)
    for row in drawing.rows:
        text = "".join(segment.text for segment in row)
        assert cell_len(text) == width
        assert text.isascii() or style is PLAIN
    assert drawn() == drawing


@pytest.mark.parametrize("width", [24, 37, 38, 46, 80])
def test_an_empty_chart_says_so_and_no_label_runs_into_it(width: int) -> None:
    drawn = lines([], width=width, title="Loss", reference=((2.0, "no structure"),), empty="no values yet")
    (said,) = [line for line in drawn if "no values yet" in line]
    assert "structure" not in said


def test_the_row_above_has_the_values_at_the_cursor_and_of_no_other_x() -> None:
    knn = Curve(label="k-NN", x=(0, 5, 10, 40), y=(50, 76, 86, 91), points=True)
    linear = Curve(label="Linear", x=(40,), y=(95.5,), points=True)

    def title(cursor: float, x_title: str = "epoch", x: tuple[float, float] = (0.0, 40.0)) -> str:
        shown: dict[str, Any] = {
            "title": "Accuracy",
            "y_title": "%",
            "x_title": x_title,
            "cursor": cursor,
            "x_range": x,
        }
        return lines([knn, linear], width=60, **shown)[0].split("   ")[0]

    assert title(9) == "Accuracy % ●86 at epoch 10"
    assert title(39) == "Accuracy % ●91 ▲95.5 at epoch 40"
    assert title(39, "step") == "Accuracy % ●91 ▲95.5 at step 40"
    assert title(39, "hours") == "Accuracy % ●91 ▲95.5 at 40h"
