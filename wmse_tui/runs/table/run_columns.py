"""What a list of runs can show of each: named columns, further results, and every option.

The app's list and `wmse-tui runs --columns` have these columns in common: their names, what they are sorted
by, and their text. A column of an option needs the options of the run, which a list reads only where it shows
one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from wmse_tui.runs.state.highlights import RESULTS, ResultName
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.units import MISSING, duration, moment, number, percent

if TYPE_CHECKING:
    from wmse_tui.config.diff import Value
    from wmse_tui.runs.table.compare import Spread

Options: TypeAlias = "Mapping[str, Value] | None"
"""The options of a run by dotted name; None where they cannot be read."""
NOT_READ: Mapping[str, Any] = {}
"""Options that have not been read yet: every column of one is empty."""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column.

    Args:
        name: in settings, `--columns` and `--sort`.
        title: in a heading.
        about: what it is, for a list of columns.
        value: what runs are sorted by, None where it is unknown.
        text: of a run.
        width: its usual width in characters; 0: as its text needs.
        right: aligned to the right.
        falling: sorted from the largest by default.
        average: the text of a mean over runs and its deviation (None of a single run); None: it has no mean.
        of_option: it shows an option.
    """

    name: str
    title: str
    about: str
    value: Callable[[RunRow, Options], Any]
    text: Callable[[RunRow, Options], str]
    width: int = 0
    right: bool = False
    falling: bool = False
    average: Callable[[float, float | None], str] | None = None
    of_option: bool = False

    def average_text(self, found: Spread | None) -> str:
        """Mean and deviation of its values over some runs; "" where it has no mean, or there is none."""
        return "" if self.average is None or found is None else self.average(found.mean, found.std)


def _plain(
    name: str,
    title: str,
    about: str,
    value: Callable[[RunRow], Any],
    text: Callable[[RunRow], str],
    width: int = 0,
    *,
    right: bool = False,
    falling: bool = False,
    average: Callable[[float, float | None], str] | None = None,
) -> RunColumn:
    """A column that needs no options."""
    return RunColumn(
        name,
        title,
        about,
        lambda row, _: value(row),
        lambda row, _: text(row),
        width,
        right,
        falling,
        average,
    )


def _words(name: str, title: str, about: str, text: Callable[[RunRow], str], *, width: int = 8) -> RunColumn:
    return _plain(name, title, about, lambda row: text(row).lower() or None, text, width)


def _accuracy(name: str, title: str, about: str, value: Callable[[RunRow], float | None]) -> RunColumn:
    width = max(7, len(title))
    return _plain(
        name,
        title,
        about,
        value,
        lambda row: percent(value(row)),
        width,
        right=True,
        falling=True,
        average=percent,
    )


def _mean_number(mean: float, deviation: float | None) -> str:
    return number(mean) + ("" if deviation is None else f" ± {number(deviation, 2)}")


def _status(row: RunRow) -> str:
    return f"{row.status} {row.position}" if row.position else row.status


def _started(row: RunRow) -> float | None:
    return None if row.started is None else -row.started  # the newest is the least


# fmt: off
NAMED: Mapping[str, RunColumn] = {column.name: column for column in (
    _plain("run", "run", "its name", lambda row: row.run_id.lower(), lambda row: row.run_id),
    _plain("state", "state", "running, completed ...", lambda row: (row.status, row.position), _status, 9),
    _words("preset", "preset", "what it was made from", lambda row: row.preset, width=10),
    _words("method", "method", "which loss", lambda row: row.method),
    _words("data", "data set", "which images", lambda row: row.dataset),
    _plain("epoch", "epoch", "completed epochs, and all", lambda row: row.epoch,
           lambda row: f"{row.epoch}/{row.epochs or '?'}", 9, right=True, falling=True),
    _plain("loss", "loss", "the newest", lambda row: row.loss, lambda row: number(row.loss), 6,
           right=True, average=_mean_number),
    _accuracy("knn", "k-NN", "k-NN accuracy of the last evaluation", lambda row: row.final_knn),
    _accuracy("linear", "linear", "linear accuracy of the last evaluation", lambda row: row.final_linear),
    _accuracy("bestknn", "best k-NN", "best k-NN accuracy of all evaluations", lambda row: row.best_knn),
    _accuracy("bestlinear", "best linear", "best linear accuracy of all evaluations",
              lambda row: row.best_linear),
    _plain("age", "started", "when it was started", _started, lambda row: moment(row.started)[:16], 16),
    _words("tags", "tags", "your tags", lambda row: " ".join(row.tags)),
    _words("host", "host", "the machine of its last attempt", lambda row: row.host),
    _plain("seed", "seed", "of its random choices", lambda row: row.seed, lambda row: str(row.seed), 4,
           right=True),
    _plain("lr", "lr", "learning rate", lambda row: row.lr or None, lambda row: number(row.lr or None), 6,
           right=True),
    _plain("step", "step", "steps done", lambda row: row.step or None, lambda row: f"{row.step:,}", 8,
           right=True, falling=True),
    _words("verdict", "whitening", "what the diagnostics say",
           lambda row: "" if row.verdict == "unknown" else row.verdict, width=10),
    _words("device", "device", "the device of its last attempt", lambda row: row.device),
    _words("note", "note", "your note", lambda row: row.note),
    _plain("last", "last event", "when it reported last", lambda row: row.updated,
           lambda row: moment(row.updated)[:16], 16),
    _words("title", "title", "of its configuration", lambda row: row.title or row.dataset, width=0),
)}
# fmt: on
"""The usual columns; accuracies are those of the last evaluation unless they are called best."""


def column_names() -> tuple[str, ...]:
    """Every name of a column: the usual ones, further results, and all options."""
    from wmse_tui.config.names import option_names  # the schema, which a list without options need not build

    names = (*NAMED, *(result.name for result in RESULTS), *option_names())
    return tuple(dict.fromkeys(names))  # the seed is an option, and usual


@cache
def run_column(name: str) -> RunColumn | None:
    """The column of a name; None where there is none."""
    if name in NAMED:
        return NAMED[name]
    for result in RESULTS:
        if result.name == name:
            return _result_column(result)
    from wmse_tui.config.names import option_names

    return _option_column(name) if name in option_names() else None


def described_columns() -> tuple[tuple[str, str], ...]:
    """The name of each column that is not a usual one, and what it is."""
    from wmse_tui.config.titles import option_titles

    results = ((result.name, result.title) for result in RESULTS)
    options = ((name, title) for name, title, _ in option_titles() if name not in NAMED)
    return (*results, *options)


def _result_column(result: ResultName) -> RunColumn:
    def value(row: RunRow) -> float | None:
        return dict(row.results).get(result.name)

    texts: dict[str, Callable[[float], str]] = {"fraction": percent, "s": duration}
    one = texts.get(result.unit, number)
    averages: dict[str, Callable[[float, float | None], str]] = {"fraction": percent, "s": _mean_duration}

    def text(row: RunRow, options: Options) -> str:  # noqa: ARG001
        found = value(row)
        return MISSING if found is None else one(found)

    return RunColumn(
        result.name,
        result.name,
        result.title,
        lambda row, _: value(row),
        text,
        max(8, len(result.name)),
        right=True,
        falling=True,
        average=averages.get(result.unit, _mean_number),
    )


def _mean_duration(mean: float, deviation: float | None) -> str:
    return duration(mean) + ("" if deviation is None else f" ± {duration(deviation)}")


def _option_column(name: str) -> RunColumn:
    from wmse_tui.config.names import field_of
    from wmse_tui.runs.table.compare import setting_of

    def text(row: RunRow, options: Options) -> str:  # noqa: ARG001
        return "" if options is NOT_READ else setting_of(options, name).text()

    def value(row: RunRow, options: Options) -> Any:  # noqa: ARG001
        return None if not options or options.get(name) is None else sortable(options[name])

    field = field_of(name)
    return RunColumn(
        name,
        name,
        (field.title if field is not None else None) or name,
        value,
        text,
        len(name),
        of_option=True,
    )


def sortable(value: Value) -> tuple[bool, Any]:
    """A value of an option as something that can be compared with any other: numbers before texts."""
    if isinstance(value, (bool, int, float)):
        return False, float(value)
    if isinstance(value, tuple):
        return True, " ".join(map(str, value))
    return True, str(value).lower()


def sorted_by(
    column: RunColumn, rows: Sequence[RunRow], options: Callable[[RunRow], Options], *, falling: bool
) -> list[RunRow]:
    """The runs in the order of a column; those without a value are last either way."""
    values = [(column.value(row, options(row)), row) for row in rows]
    known = [(value, row) for value, row in values if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=falling)
    return [row for _, row in known] + [row for value, row in values if value is None]
