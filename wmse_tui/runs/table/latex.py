"""A comparison as papers print it, in LaTeX: a row for each method, columns by data set, the best in bold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.names import unions
from wmse_tui.runs.table.compare import (
    Comparison,
    Measure,
    RepetitionGroup,
    Result,
    Spread,
    spread,
    unlike,
)
from wmse_tui.runs.table.recipe import carries_out
from wmse_tui.runs.table.transfer_table import TransferColumn, column_title
from wmse_tui.runs.text.sanitize import safe

_MEASURES: Mapping[str, Measure] = {"final_linear": "linear", "final_knn": "knn"}
_HEADING = (r"linear (\%)", r"$k$-NN (\%)", "$n$")
_COMMENT = (
    "% Accuracies of the last evaluation: mean and sample standard deviation over n completed runs, "
    "the best in bold."
)
_TRANSFER_COMMENT = (
    "% Transfer: the linear probe on other images, mean and sample standard deviation over the runs that "
    "have it, the best in bold; * marks a mean per class."
)
_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """An experiment: one run, or those that differ in the seed only."""

    place: int  # of its first run in the comparison
    result: Result
    group: RepetitionGroup | None  # None: none of its runs has completed

    @property
    def n(self) -> int:
        """Completed runs; 0 while there is none."""
        if self.group is not None:
            return len(self.group.completed)
        return int(self.result.row.status == "completed")

    def spread(self, name: str) -> Spread | None:
        """The accuracy of that name, a fraction."""
        if self.group is not None:
            found: Spread | None = getattr(self.group, name)
            return found
        value: float | None = getattr(self.result.row, name)
        return None if value is None else Spread(1, value, None)


def to_latex(comparison: Comparison) -> str:
    """A booktabs table: mean and sample standard deviation in percent, the best of each column in bold.

    Nothing is bold in a column whose accuracies cannot be compared (`unlike`). A second table has the
    transfer to other images, where there is any. A row is a method, with the options in brackets in which its
    experiments on one data set differ; what is only an option of another method is left out, and so is what
    differs between data sets.
    """
    entries = list(_entries(comparison))
    datasets = list(dict.fromkeys(entry.result.row.dataset for entry in entries))
    cells: dict[str, dict[str, _Entry]] = {}
    for entry in entries:
        label = _label(comparison, entries, entry)
        row = cells.setdefault(label, {})
        if entry.result.row.dataset in row:  # what distinguishes them cannot be read
            row = cells.setdefault(f"{label} ({_escaped(entry.result.row.run_id)})", {})
        row[entry.result.row.dataset] = entry
    unlikes = {
        (dataset, name): unlike([row[dataset].result for row in cells.values() if dataset in row], measure)
        for dataset in datasets
        for name, measure in _MEASURES.items()
    }
    best = {
        (dataset, name): max(means, default=None)
        for dataset in datasets
        for name in _MEASURES
        if len(means := set(_means(cells, dataset, name))) > 1 and not unlikes[dataset, name]
    }
    rows = [
        _line(label, *(cell for dataset in datasets for cell in _cells(row.get(dataset), dataset, best)))
        for label, row in cells.items()
    ]
    width = 1 + len(_HEADING) * len(datasets)
    lines = [
        r"% \usepackage{booktabs}",
        _COMMENT,
        *(f"% None is bold: {safe(why)}." for why in dict.fromkeys(unlikes.values()) if why),
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        *_dataset_heading(datasets),
        _line("method", *(_HEADING * len(datasets))),
        r"\midrule",
        *rows,
        r"\bottomrule",
    ]
    if any(entry.n == 0 for entry in entries):
        note = r"\footnotesize $^{\dagger}$ Not completed: its last evaluation so far."
        lines.append(rf"\multicolumn{{{width}}}{{l}}{{{note}}} \\")
    return "\n".join([*lines, r"\end{tabular}", *_transfer(comparison, cells), ""])


def _transfer(comparison: Comparison, rows: Mapping[str, Mapping[str, _Entry]]) -> list[str]:
    """The linear probe on other images: a row for each experiment, a column for each set."""
    sets = comparison.transfer
    entries = [(label, row[dataset]) for label, row in rows.items() for dataset in row]
    spreads = [[_transferred(comparison, entry, column) for column in sets] for _, entry in entries]
    best = []
    for index, column in enumerate(sets):
        means = {round(100 * found.mean, 2) for row in spreads if (found := row[index]) is not None}
        best.append(max(means) if len(means) > 1 and column.same_images else None)
    lines = [
        _line(label, *(_number(found, "", top) for found, top in zip(row, best, strict=True)))
        for (label, _), row in zip(entries, spreads, strict=True)
    ]
    others = [safe(column.title) for column in sets if not column.same_images]
    return (
        [
            "",
            _TRANSFER_COMMENT,
            *([f"% None is bold where runs had other images: {', '.join(others)}."] if others else []),
            rf"\begin{{tabular}}{{l{'r' * len(sets)}}}",
            r"\toprule",
            _line("method", *(_escaped(f"{column_title(column)} (%)") for column in sets)),
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        if sets
        else []
    )


def _transferred(comparison: Comparison, entry: _Entry, column: TransferColumn) -> Spread | None:
    """Mean and deviation over the completed runs of an experiment that were measured on a set."""
    places = [entry.place]
    if entry.group is not None:
        ids = comparison.results
        places = [place for place in entry.group.places if ids[place].row.run_id in entry.group.completed]
    return spread([cell.score.value for place in places if (cell := column.cells[place]) is not None])


def _dataset_heading(datasets: Sequence[str]) -> list[str]:
    """The names of the data sets above their columns, where there are several."""
    if len(datasets) < 2:
        return []
    columns = len(_HEADING)
    names = [
        rf"\multicolumn{{{columns}}}{{c}}{{{_escaped(DATASETS[name].title if name in DATASETS else name)}}}"
        for name in datasets
    ]
    rules = [rf"\cmidrule(lr){{{2 + columns * i}-{1 + columns * (i + 1)}}}" for i in range(len(datasets))]
    return [_line("", *names), " ".join(rules)]


def _line(*cells: str) -> str:
    return " & ".join(cells) + r" \\"


def _entries(comparison: Comparison) -> Iterator[_Entry]:
    """One run for each group of which some completed; the runs of other groups one by one."""
    alone = set(range(len(comparison.results)))
    representatives: dict[int, RepetitionGroup] = {}
    for group in comparison.groups:
        ended = [place for place in group.places if comparison.results[place].row.status == "completed"]
        if ended:
            alone -= set(group.places)
            representatives[ended[0]] = group
    for place in sorted({*alone, *representatives}):
        yield _Entry(place, comparison.results[place], representatives.get(place))


def _label(comparison: Comparison, entries: Sequence[_Entry], entry: _Entry) -> str:
    """The method, and in brackets the options in which it differs from others of the method and data set."""
    row = entry.result.row
    like = [one.place for one in entries if one.result.row.method == row.method]
    parts = []
    for difference in comparison.differences:
        key = difference.key
        if carries_out(key) or key.startswith("dataset.") or key == "method.name":
            continue
        on_one = [
            {difference.settings[place] for place in like if comparison.results[place].row.dataset == dataset}
            for dataset in {comparison.results[place].row.dataset for place in like}
        ]
        text = difference.settings[entry.place].text()
        if text and any(len(settings) > 1 for settings in on_one):
            parts.append(f"{key} {text}")
    options = unions()["method"].classes.get(row.method)
    title = options.model_config.get("title") if options is not None else None
    name = title or row.title or row.run_id
    return _escaped(f"{name} ({', '.join(parts)})" if parts else name)


def _means(cells: Mapping[str, Mapping[str, _Entry]], dataset: str, name: str) -> Iterator[float]:
    """The means of a column as they are printed, of completed experiments."""
    for row in cells.values():
        entry = row.get(dataset)
        found = entry.spread(name) if entry is not None and entry.n else None
        if found is not None:
            yield round(100 * found.mean, 2)


def _cells(entry: _Entry | None, dataset: str, best: Mapping[tuple[str, str], float | None]) -> list[str]:
    if entry is None:
        return ["--"] * len(_HEADING)
    numbers = []
    for name in _MEASURES:
        top = best.get((dataset, name)) if entry.n else None
        numbers.append(_number(entry.spread(name), "" if entry.n else r"^{\dagger}", top))
    return [*numbers, str(entry.n) if entry.n else "--"]


def _number(found: Spread | None, mark: str, best: float | None) -> str:
    """Mean and deviation in percent, the mean in bold where it is the best one."""
    if found is None:
        return "--"
    mean = f"{100 * found.mean:.2f}"
    if round(100 * found.mean, 2) == best:
        mean = rf"\mathbf{{{mean}}}"
    deviation = "" if found.std is None else rf" \pm {100 * found.std:.2f}"
    return f"${mean}{deviation}{mark}$"


def _escaped(text: str) -> str:
    """Two hyphens would become a dash; a bracket or an asterisk behind the end of a row, its argument."""
    escaped = "".join(_CHARACTERS.get(character, character) for character in safe(text))
    escaped = re.sub("-(?=-)", "-{}", escaped)
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped
