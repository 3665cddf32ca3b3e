"""A comparison as papers print it, in LaTeX: a row for each method, columns by data set, the best in bold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.names import unions
from wmse_tui.runs.table.compare import Comparison, RepetitionGroup, Result, Spread
from wmse_tui.runs.table.recipe import carries_out
from wmse_tui.runs.text.sanitize import safe

_MEASURES = ("final_linear", "final_knn")
_HEADING = (r"linear (\%)", r"$k$-NN (\%)", "$n$")
_COMMENT = (
    "% Accuracies of the last evaluation: mean and sample standard deviation over n completed runs, "
    "the best in bold."
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

    A row is a method, with the options in brackets in which its experiments on one data set differ; what is
    only an option of another method is left out, and so is what differs between data sets.
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
    best = {
        (dataset, name): max(means, default=None)
        for dataset in datasets
        for name in _MEASURES
        if len(means := set(_means(cells, dataset, name))) > 1
    }
    rows = [
        _line(label, *(cell for dataset in datasets for cell in _cells(row.get(dataset), dataset, best)))
        for label, row in cells.items()
    ]
    width = 1 + len(_HEADING) * len(datasets)
    lines = [
        r"% \usepackage{booktabs}",
        _COMMENT,
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
    return "\n".join([*lines, r"\end{tabular}", ""])


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
        spread = entry.spread(name) if entry is not None and entry.n else None
        if spread is not None:
            yield round(100 * spread.mean, 2)


def _cells(entry: _Entry | None, dataset: str, best: Mapping[tuple[str, str], float | None]) -> list[str]:
    if entry is None:
        return ["--"] * len(_HEADING)
    numbers = []
    for name in _MEASURES:
        spread = entry.spread(name)
        if spread is None:
            numbers.append("--")
            continue
        mean = f"{100 * spread.mean:.2f}"
        if entry.n and round(100 * spread.mean, 2) == best.get((dataset, name)):
            mean = rf"\mathbf{{{mean}}}"
        deviation = "" if spread.std is None else rf" \pm {100 * spread.std:.2f}"
        dagger = "" if entry.n else r"^{\dagger}"
        numbers.append(f"${mean}{deviation}{dagger}$")
    return [*numbers, str(entry.n) if entry.n else "--"]


def _escaped(text: str) -> str:
    """Two hyphens would become a dash; a bracket or an asterisk behind the end of a row, its argument."""
    escaped = "".join(_CHARACTERS.get(character, character) for character in safe(text))
    escaped = re.sub("-(?=-)", "-{}", escaped)
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped
