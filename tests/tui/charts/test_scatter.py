"""The embedding map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style
from textual.app import App, ComposeResult

from wmse_tui.tui.charts.canvas import Drawing
from wmse_tui.tui.charts.scatter import Cloud, Scatter, ScatterContent, class_at, cloud, draw_scatter
from wmse_tui.tui.charts.style import ChartStyle

PLAIN = ChartStyle()
ASCII = ChartStyle(ascii=True)
POINTS = [(0, 0), (1, 1), (2, 2), (2, 0), (2, 0.01), (2, 0.02)]
LABELS = [0, 1, 2, 0, 1, 1]
NAMES = ["cat", "dog", "bird"]


def content(title: str = "", note: str = "", chosen: int | None = None) -> ScatterContent:
    return ScatterContent(cloud=cloud(POINTS, LABELS, NAMES), title=title, note=note, chosen=chosen)


def lines(drawing: Drawing) -> list[str]:
    return [line.rstrip() for line in drawing.text.split("\n")]


def test_a_wide_map_has_its_classes_beside_it() -> None:
    assert lines(draw_scatter(content(title="Map", note="PCA"), width=54, height=6, style=PLAIN)) == [
        "Map PCA",
        "                                             ■  ● cat",
        "                                                ▲ dog",
        "                       ▲                        ■ bird",
        "",
        "●                                            ▲",
    ]


def test_a_narrow_map_has_its_classes_below() -> None:
    assert lines(draw_scatter(content(title="Map"), width=24, height=6, style=ASCII)) == [
        "Map",
        "                       +",
        "            x",
        "",
        "o                      x",
        "o cat  x dog  + bird",
    ]


def test_more_points_in_a_cell_are_stronger_and_the_centre_of_a_class_is_reversed() -> None:
    crowd = [(0, 0)] + [(1, 0)] * 4 + [(2, 0)] * 9 + [(0, 1)] * 6
    shown = ScatterContent(cloud=cloud(crowd, [0] * 14 + [1] * 6, NAMES))
    for style in (PLAIN, ASCII, ChartStyle(color=False), ChartStyle(palette="terminal")):
        drawing = draw_scatter(shown, width=60, height=4, style=style)
        cells = [[(c, part.style or Style()) for part in row for c in part.text] for row in drawing.rows]
        few, several, many = (cells[-1][x][1] for x in (0, 26, 52))
        assert len({few, several, many}) == 3, style
        (centre,) = (x for x, (_, at) in enumerate(cells[-1]) if at.reverse)
        assert 26 < centre < 52  # nearer to the many
        assert cells[0][0][1].reverse  # those of the other class share their only cell


def test_a_chosen_class_is_above_the_others() -> None:
    drawn = lines(draw_scatter(content(chosen=0), width=54, height=5, style=PLAIN))
    # One of three at the right is a cat: with all classes alike, a dog is shown there.
    assert drawn == [
        "                                             ·  ● cat",
        "                                                ▲ dog",
        "                       ·                        ■ bird",
        "",
        "●                                            ●",
    ]
    where: dict[str, Any] = {"width": 54, "height": 5, "style": PLAIN}
    assert class_at(content(chosen=0), 45, 4, **where) == 0
    assert class_at(content(), 45, 4, **where) == 1
    assert class_at(content(), 51, 2, **where) == 2  # in the legend
    assert class_at(content(), 10, 2, **where) is None
    # The last of a thousand is named too where it is chosen.
    names = [f"class {index}" for index in range(1000)]
    many = ScatterContent(cloud=cloud([(n, n % 7) for n in range(1000)], range(1000), names), chosen=999)
    for width in (118, 40):
        assert "class 999" in draw_scatter(many, width=width, height=10, style=PLAIN).text


def test_arrays_of_a_file_are_read_and_only_classes_that_occur_are_named() -> None:
    points = np.array([[0.5, 1.5], [np.nan, 1.0], [2.0, 3.0]], np.float32)
    read = cloud(points, np.array([7, 1, 2]), np.array(["a", "b", "c"]))
    points[:] = 0

    assert read == Cloud(((0.5, 1.5, 7), (2.0, 3.0, 2)), ((2, "c"), (7, "7")))


@pytest.mark.parametrize(
    ("points", "labels"),
    [(5, [0]), ([1, 2], [0, 1]), ([(1,)], [0]), ([("a", "b")], [0]), ([(1, 2)], [math.inf]), (None, None)],
)
def test_values_that_are_no_map_are_refused(points: Any, labels: Any) -> None:
    with pytest.raises(ValueError, match="the points of this map cannot be read"):
        cloud(points, labels, ["a"])


def test_a_thousand_classes_are_listed_as_far_as_they_fit() -> None:
    rng = np.random.default_rng(0)
    names = [f"class [{index}]" for index in range(1000)]
    many = ScatterContent(cloud=cloud(rng.normal(size=(1000, 2)), range(1000), names))
    drawn = draw_scatter(many, width=118, height=20, style=PLAIN).text
    beside = drawn.split("\n")

    assert "● class [0]" in beside[0]
    assert beside[-1].rstrip().endswith("+961 more")
    assert "+99" in draw_scatter(many, width=40, height=10, style=PLAIN).text.split("\n")[-1]


def test_names_of_classes_are_sanitised() -> None:
    hostile = cloud([(0, 0), (1, 1)], [0, 1], ["\x1b]52;c;Zm9v\x07", "[@click=app.quit]x\u202e"])
    text = draw_scatter(ScatterContent(cloud=hostile), width=80, height=8, style=PLAIN).text

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[@click=app.quit]x" in text


@given(
    st.lists(st.tuples(st.floats(), st.floats(), st.integers(-3, 1100), st.text(max_size=8)), max_size=30),
    st.integers(-1, 90),
    st.integers(-1, 12),
    st.sampled_from([PLAIN, ASCII]),
)
def test_any_points_are_drawn_at_any_size(
    points: list[tuple[float, float, int, str]], width: int, height: int, style: ChartStyle
) -> None:
    read = cloud(
        [(x, y) for x, y, _, _ in points], [kind for _, _, kind, _ in points], [n for *_, n in points]
    )
    chosen = points[0][2] if points else None
    shown = ScatterContent(cloud=read, title="T", note="N", chosen=chosen)
    drawing = draw_scatter(shown, width=width, height=height, style=style)

    assert len(drawing.rows) == (height if min(width, height) > 0 else 0)
    for row in drawing.rows:
        text = "".join(segment.text for segment in row)
        assert cell_len(text) == width
        assert text.isascii() or style is PLAIN


class Map(App[None]):
    def compose(self) -> ComposeResult:
        yield Scatter()


@pytest.mark.asyncio
async def test_the_widget_shows_a_map_or_a_reason() -> None:
    app = Map()
    async with app.run_test(size=(54, 6)) as pilot:
        scatter = app.query_one(Scatter)
        await pilot.pause()
        assert "no map yet" in scatter.drawing.text
        scatter.show(np.array(POINTS), np.array(LABELS), np.array(NAMES), "Map", "PCA, epoch 3")
        await pilot.pause()
        assert lines(scatter.drawing)[0] == "Map PCA, epoch 3"
        assert "■ bird" in scatter.drawing.text
        scatter.show(np.zeros(3), np.zeros(3), [], "Map")
        await pilot.pause()
        assert "the points of this map cannot be read" in scatter.drawing.text
        scatter.clear(empty="maps are made at evaluations")
        await pilot.pause()
        assert "maps are made at evaluations" in scatter.drawing.text
