"""The details of one cell of the published table, as text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from textwrap import wrap

from textual.content import Content

from wmse_tui.config.figures import steps_per_epoch
from wmse_tui.config.presence import OWN
from wmse_tui.runs.table.compare import Spread
from wmse_tui.runs.table.paper import Best, OwnRun, PaperCell
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, percent, percentage

_LABEL = 11
_MUTED = "$foreground-muted"
_NAMED = 6  # runs named in a line


def details(position: tuple[str, str], cell: PaperCell | None, width: int = 80) -> Content:
    """The cell at `position` (its row and column): published numbers, recipe, and the user's own runs.

    Lines are wrapped at `width` cells and aligned with what they continue.
    """
    row, column = position
    if cell is None:
        text = f"There is no recipe for {row} on {column}." if row else "The table is being read."
        return Content(safe(text))
    parts = [Content.styled(safe(cell.experiment.title or f"{row} on {column}") + "\n", "bold")]
    for label, text, style in (*_published(cell), *_recipe(cell), *_own(cell)):
        lines = wrap(safe(text), max(20, width - _LABEL))
        for heading, line in zip_longest((label,), lines, fillvalue=""):
            parts += [
                Content.styled(f"{heading:{_LABEL}}", _MUTED),
                Content.styled(line, style),
                Content("\n"),
            ]
    return Content("").join(parts).rstrip()


def _published(cell: PaperCell) -> Iterator[tuple[str, str, str]]:
    numbers = cell.published
    if numbers.linear is None and numbers.knn is None:
        yield "published", f"no number: {numbers.note or 'none is known'}", "$warning"
        yield "", f"it would be in {numbers.source}", ""
        return
    accuracies = [
        f"{value:.2f} % {name}"
        for name, value in (("linear", numbers.linear), ("5-NN", numbers.knn))
        if value
    ]
    yield "published", ", ".join(accuracies), ""
    yield "", numbers.source + (f"; {numbers.note}" if numbers.note else ""), ""


def _recipe(cell: PaperCell) -> Iterator[tuple[str, str, str]]:
    experiment = cell.experiment
    schedule, steps = experiment.schedule, steps_per_epoch(experiment)
    of = f" of {count(steps, 'step')}" if steps is not None else ""
    views = count(experiment.augmentation.views, "view")
    root = " --set dataset.root=FOLDER" if experiment.dataset.name in OWN else ""
    yield "recipe", f"wmse-tui run --preset {cell.preset}{root}", ""
    yield "", f"{count(schedule.epochs, 'epoch')}{of}; {schedule.batch_size} images of {views} a step", ""


def _own(cell: PaperCell) -> Iterator[tuple[str, str, str]]:
    if cell.n:
        best = [_best("linear", cell.best_linear), _best("5-NN", cell.best_knn)]
        yield "own best", ", ".join(text for text in best if text) or "not evaluated as published", "$success"
    if cell.n > 1:
        mean = [_mean("linear", cell.linear), _mean("5-NN", cell.knn)]
        yield "own mean", f"{', '.join(text for text in mean if text)} (n = {cell.n})", ""
    yield "completed", _names(cell.runs) or "no run of this recipe yet", ""
    if cell.partial:
        yield (
            "unfinished",
            ", ".join(f"{run.row.run_id} ({run.row.status})" for run in cell.partial[:_NAMED]),
            "",
        )
    for variant in cell.variants[:_NAMED]:
        yield (
            "variant",
            f"{variant.run.row.run_id}, not counted: other {_options(variant.deviations)}",
            _MUTED,
        )


def _best(name: str, best: Best | None) -> str:
    return "" if best is None else f"{percent(best.accuracy)} {name} ({best.run_id})"


def _mean(name: str, spread: Spread | None) -> str:
    return "" if spread is None else f"{percentage(spread.mean, spread.std)} % {name}"


def _names(runs: tuple[OwnRun, ...]) -> str:
    more = f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
    return ", ".join(run.row.run_id for run in runs[:_NAMED]) + more


def _options(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
