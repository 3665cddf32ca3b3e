"""The table: a cursor on rows, a first column that stays, and only changed cells on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from textual.app import App, ComposeResult

from wmse_tui.tui.charts import rows as drawing_rows
from wmse_tui.tui.widgets.table import Cell, CellTable, Sheet

pytestmark = pytest.mark.asyncio


class Tabled(App[None]):
    """A table and nothing else."""

    CSS = "CellTable { height: 1fr; }"

    def __init__(self, cursor: Literal["row", "cell"] = "row") -> None:
        super().__init__()
        self._cursor: Literal["row", "cell"] = cursor

    def compose(self) -> ComposeResult:
        yield CellTable(cursor=self._cursor, id="table")


def sheet(rows: int, columns: int = 3, width: int = 6) -> Sheet:
    return Sheet(
        tuple(Cell(f"head{column}".ljust(width)) for column in range(columns)),
        tuple(
            tuple(Cell(f"{row}.{column}".ljust(width)) for column in range(columns)) for row in range(rows)
        ),
    )


def text(app: App[None]) -> list[str]:
    return [line.rstrip() for line in app.query_one(CellTable).drawing.text.splitlines()]


async def shown(app: Tabled, content: Sheet) -> CellTable:
    table = app.query_one(CellTable)
    table.focus()
    table.show(content)
    return table


async def test_rows_beyond_the_edge_are_reached_and_counted() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 6)) as pilot:
        table = await shown(app, sheet(10))
        await pilot.pause()
        assert [line.split()[0] for line in text(app)[1:-1]] == ["0.0", "1.0", "2.0", "3.0"]
        assert text(app)[-1] == "1 to 4 of 10"
        await pilot.press("j", "down", "j", "j")
        assert [line.split()[0] for line in text(app)[1:-1]] == ["1.0", "2.0", "3.0", "4.0"]
        await pilot.press("G")
        assert table.row == 9
        assert text(app)[-1] == "7 to 10 of 10"
        await pilot.press("pageup", "k", "g")
        assert table.row == 0


async def test_columns_beyond_the_edge_are_reached_and_the_first_stays() -> None:
    app = Tabled()
    async with app.run_test(size=(24, 5)) as pilot:
        await shown(app, sheet(2, columns=6))
        await pilot.pause()
        assert text(app)[1].split() == ["0.0", "0.1", "0.2"]
        assert text(app)[0].endswith(">")
        await pilot.press("right", "l")
        assert text(app)[1].split() == ["0.0", "0.3", "0.4"]
        for _ in range(9):
            await pilot.press("right")
        assert text(app)[1].split() == ["0.0", "0.4", "0.5"]
        assert not text(app)[0].endswith(">")
        await pilot.press("h", "left", "left", "left", "left", "left")
        assert text(app)[1].split() == ["0.0", "0.1", "0.2"]


async def test_the_cursor_stays_inside_when_rows_are_removed() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 8)) as pilot:
        table = await shown(app, sheet(5))
        await pilot.press("G")
        found = []
        for content in (sheet(2), Sheet(empty="nothing here")):
            table.show(content)
            found.append(table.row)
        assert found == [1, None]
        await pilot.pause()
        assert text(app)[0] == "nothing here"
        await pilot.press("j", "k", "l", "h", "G", "pagedown")


async def test_numbers_are_aligned_to_the_right() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 5)) as pilot:
        await shown(
            app,
            Sheet(
                (Cell("run"), Cell("value")),
                ((Cell("a"), Cell("1")), (Cell("b"), Cell("100"))),
                frozenset({1}),
            ),
        )
        await pilot.pause()
        assert text(app)[:3] == ["run  value", "a        1", "b      100"]


async def test_any_size_can_be_drawn() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 5)) as pilot:
        await shown(app, sheet(10, columns=8))
        for size in ((1, 1), (2, 2), (3, 9), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert len(text(app)) == size[1]


async def test_a_changed_cell_alone_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    regions: list[tuple[int, int, int, int]] = []
    before: Callable[..., Any] = drawing_rows.changes

    def changes(*arguments: object) -> Any:
        found = before(*arguments)
        regions.extend(found)
        return found

    app = Tabled()
    async with app.run_test(size=(40, 8)) as pilot:
        table = await shown(app, sheet(4))
        await pilot.pause()
        monkeypatch.setattr(drawing_rows, "changes", changes)
        content = sheet(4)
        row = (Cell("2.0".ljust(6)), Cell("new".ljust(6)), Cell("2.2".ljust(6)))
        table.show(Sheet(content.heading, (*content.rows[:2], row, content.rows[3])))
        assert [tuple(region) for region in regions] == [(8, 3, 3, 1)]


async def test_a_click_moves_the_cursor() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 8)) as pilot:
        table = await shown(app, sheet(4))
        await pilot.click(CellTable, offset=(3, 3))
        assert table.row == 2
        await pilot.click(CellTable, offset=(3, 0))
        assert table.row == 2


# A cursor on cells


def grid(rows: int, columns: int) -> Sheet:
    """Cells of two lines."""
    return Sheet(
        (Cell(""), *(Cell(f"head{column}") for column in range(columns))),
        tuple(
            (
                Cell(f"row{row}", "heading"),
                *(Cell(f"{row}.{column}", below=Cell(f"own{row}.{column}")) for column in range(columns)),
            )
            for row in range(rows)
        ),
        least=8,
    )


async def test_a_cursor_on_cells_moves_both_ways_and_stays_inside() -> None:
    app = Tabled("cell")
    async with app.run_test(size=(60, 30)) as pilot:
        table = await shown(app, grid(3, 4))
        found = []
        for key in ("l", "right", "j", "G", "right", "down", "h", "k", "g", "left", "up"):
            await pilot.press(key)
            found.append((table.row, table.column))
        assert found == [(0, 1), (0, 2), (1, 2), *[(2, 3)] * 3, (2, 2), (1, 2), *[(0, 0)] * 3]


async def test_rows_of_two_lines_are_set_apart_where_all_fit() -> None:
    app = Tabled("cell")
    async with app.run_test(size=(60, 10)) as pilot:
        await shown(app, grid(3, 4))
        await pilot.pause()
        assert [line.split()[0] for line in text(app) if line] == [
            "head0",
            *(name for row in range(3) for name in (f"row{row}", f"own{row}.0")),
        ]
        assert text(app)[3] == ""
        await pilot.resize_terminal(60, 9)
        await pilot.pause()
        assert text(app)[3].split()[0] == "row1"


async def test_columns_follow_a_cursor_on_cells() -> None:
    app = Tabled("cell")
    async with app.run_test(size=(30, 6)) as pilot:
        await shown(app, grid(3, 4))
        await pilot.pause()
        assert [line.split() for line in text(app)] == [
            ["head0", "head1", ">"],
            ["row0", "0.0", "0.1"],
            ["own0.0", "own0.1"],
            ["row1", "1.0", "1.1"],
            ["own1.0", "own1.1"],
            ["1", "to", "2", "of", "3"],
        ]
        await pilot.press("l", "l", "G")
        assert [line.split() for line in text(app)][:3] == [
            ["<", "head2", "head3"],
            ["row1", "1.2", "1.3"],
            ["own1.2", "own1.3"],
        ]
        await pilot.press("g")
        assert text(app)[1].split() == ["row0", "0.0", "0.1"]


async def test_a_click_moves_a_cell_cursor() -> None:
    app = Tabled("cell")
    async with app.run_test(size=(60, 20)) as pilot:
        table = await shown(app, grid(3, 4))
        await pilot.click(CellTable, offset=(6 + 10 + 2, 1 + 3 + 1))
        assert (table.row, table.column) == (1, 1)
        await pilot.click(CellTable, offset=(2, 8))
        assert (table.row, table.column) == (1, 1)


async def test_only_the_two_cells_of_a_move_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Tabled("cell")
    async with app.run_test(size=(60, 20)) as pilot:
        table = await shown(app, grid(3, 4))
        await pilot.pause()
        drawn: list[tuple[int, int, int, int]] = []
        monkeypatch.setattr(table, "refresh", lambda *regions, **_: drawn.extend(map(tuple, regions)))
        await pilot.press("l")
        assert drawn == [(6, 1, 18, 1), (6, 2, 18, 1)]
