"""The table: a cursor on rows, a first column that stays, and only changed cells on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.app import App, ComposeResult

from wmse_tui.tui.charts import rows as drawing_rows
from wmse_tui.tui.widgets.compare.table import Entry, Sheet, SheetTable

pytestmark = pytest.mark.asyncio


class Tabled(App[None]):
    """A table and nothing else."""

    CSS = "SheetTable { height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield SheetTable(id="table")


def sheet(rows: int, columns: int = 3, width: int = 6) -> Sheet:
    return Sheet(
        tuple(Entry(f"head{column}".ljust(width)) for column in range(columns)),
        tuple(
            tuple(Entry(f"{row}.{column}".ljust(width)) for column in range(columns)) for row in range(rows)
        ),
    )


def text(app: App[None]) -> list[str]:
    return [line.rstrip() for line in app.query_one(SheetTable).drawing.text.splitlines()]


async def shown(app: Tabled, content: Sheet) -> SheetTable:
    table = app.query_one(SheetTable)
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
        assert table.cursor == 9
        assert text(app)[-1] == "7 to 10 of 10"
        await pilot.press("pageup", "k", "g")
        assert table.cursor == 0


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


async def test_the_cursor_stays_inside_when_rows_go() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 8)) as pilot:
        table = await shown(app, sheet(5))
        await pilot.press("G")
        found = []
        for content in (sheet(2), Sheet(empty="nothing here")):
            table.show(content)
            found.append(table.cursor)
        assert found == [1, None]
        await pilot.pause()
        assert text(app)[0] == "nothing here"
        await pilot.press("j", "k", "l", "h", "G", "pagedown")


async def test_numbers_stand_at_the_right_of_their_column() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 5)) as pilot:
        await shown(
            app,
            Sheet(
                (Entry("run"), Entry("value")),
                ((Entry("a"), Entry("1")), (Entry("b"), Entry("100"))),
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
        row = (Entry("2.0".ljust(6)), Entry("new".ljust(6)), Entry("2.2".ljust(6)))
        table.show(Sheet(content.heading, (*content.rows[:2], row, content.rows[3])))
        assert [tuple(region) for region in regions] == [(8, 3, 3, 1)]


async def test_a_click_takes_the_cursor_there() -> None:
    app = Tabled()
    async with app.run_test(size=(40, 8)) as pilot:
        table = await shown(app, sheet(4))
        await pilot.click(SheetTable, offset=(3, 3))
        assert table.cursor == 2
        await pilot.click(SheetTable, offset=(3, 0))
        assert table.cursor == 2
