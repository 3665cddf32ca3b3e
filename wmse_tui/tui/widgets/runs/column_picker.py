"""The dialog that chooses the columns of the list: the usual ones from a list, any other by its name."""

from __future__ import annotations

from collections.abc import Iterable

from textual import work
from textual.suggester import SuggestFromList
from textual.widgets import Input

from wmse_tui.config.problems import did_you_mean
from wmse_tui.runs.table.run_columns import column_names, run_column
from wmse_tui.tui import keys
from wmse_tui.tui.dialogs import Ask, MarkPicker
from wmse_tui.tui.path_completion import complete
from wmse_tui.tui.widgets.runs.columns import BY_NAME, column_named

_TITLE = max(len(column.title) for column in BY_NAME.values())  # cells


class ColumnInput(Input):
    """A line for the name of a column: tab completes it."""

    BINDINGS = keys.PATH_INPUT

    def __init__(self, value: str = "", *, placeholder: str = "") -> None:
        super().__init__(value, placeholder=placeholder, suggester=SuggestFromList(column_names()))
        self.cursor_blink = False

    def action_complete(self) -> None:
        """Accept the suggestion."""
        complete(self)


class ColumnPicker(MarkPicker[str]):
    """Marks columns; answers the names of the marked ones, or None."""

    BINDINGS = keys.bindings(("a", "add", "Add a column"))

    def __init__(self, shown: Iterable[str]) -> None:
        marked = tuple(shown)
        names = (*BY_NAME, *(name for name in marked if name not in BY_NAME))
        super().__init__(
            "Columns",
            names,
            map(_label, names),
            (names.index(name) for name in marked),
            hint="Space marks a column, a adds one of any option or result; Enter shows the marked ones.",
        )

    @work
    async def action_add(self) -> None:
        """Add the column of an option or a result, marked."""
        text = "An option, as in schedule.batch_size, or a result, as in effective_rank. Tab completes it."
        ask = Ask("Column", text, placeholder="optimizer.weight_decay", check=_problem, line=ColumnInput)
        name = await self.app.push_screen_wait(ask)
        if name:
            self.add_item(name.strip(), _label(name.strip()))


def _label(name: str) -> str:
    column, base = column_named(name), run_column(name)
    title = column.title if column is not None else name
    about = base.about if base is not None else "the loss as a small curve"
    shown = title if name in BY_NAME else name
    return f"{shown:<{_TITLE}}  {about}"


def _problem(text: str) -> str:
    """What is wrong with the name of a column, or ""."""
    name = text.strip()
    if not name or column_named(name) is not None:
        return ""
    return (
        f"no option and no result is called so; {did_you_mean(name, column_names()) or 'tab completes names'}"
    )
