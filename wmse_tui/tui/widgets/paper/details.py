"""The details of one cell of the published table, as text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from textual.content import Content

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.figures import steps_per_epoch
from wmse_tui.config.presence import OWN, Presence
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.runs.state.status import ACTIVE
from wmse_tui.runs.table.compare import Spread
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import Best, OwnRun, PaperCell
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, percent, percentage, size
from wmse_tui.tui.widgets.wrapping import wrapped_lines

_LABEL = 11
_MUTED = "$foreground-muted"
_NAMED = 6  # runs named in a line


def details(
    position: tuple[str, str], cell: PaperCell | None, width: int = 80, presence: Presence | None = None
) -> Content:
    """The cell at `position` (its row and column): published numbers, recipe, images, own runs.

    Lines are wrapped at `width` cells and aligned with what they continue.
    """
    row, column = position
    if cell is None:
        text = f"There is no recipe for {row} on {column}." if row else "The table is being read."
        return Content(safe(text))
    parts = [Content.styled(safe(cell.experiment.title or f"{row} on {column}") + "\n", "bold")]
    for label, text, style in (*_published(cell), *_recipe(cell), *_images(cell, presence), *_own(cell)):
        lines = wrapped_lines(safe(text), max(20, width - _LABEL))
        for heading, line in zip_longest((label,), lines, fillvalue=""):
            parts += [
                Content.styled(f"{heading:{_LABEL}}", _MUTED),
                Content.styled(line, style),
                Content("\n"),
            ]
    return Content("").join(parts).rstrip()


def images_text(dataset: Dataset, presence: Presence) -> str:
    """Where the images of a data set are, or what must happen before they are here."""
    title = DATASETS[dataset.name].title
    match presence.state:
        case "download":
            return f"a download of {size(presence.download)}, and as much again unpacked"
        case "archive":
            return f"{title} is here and will be unpacked"
        case "drawn":
            return "drawn when needed"
        case "missing":
            where = ", ".join(map(str, presence.lacking))
            return f"{title} is not on this machine ({where})"
    return f"{title} is on this machine"


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


def _images(cell: PaperCell, presence: Presence | None) -> Iterator[tuple[str, str, str]]:
    if presence is not None:
        style = "$warning" if presence.state == "missing" else ""
        yield "images", images_text(cell.experiment.dataset, presence), style


def _own(cell: PaperCell) -> Iterator[tuple[str, str, str]]:
    if cell.n:
        best = [_best("linear", cell.best_linear), _best("5-NN", cell.best_knn)]
        yield "own best", ", ".join(text for text in best if text) or "not evaluated as published", "$success"
    if cell.n > 1:
        mean = [_mean("linear", cell.linear), _mean("5-NN", cell.knn)]
        yield "own mean", f"{', '.join(text for text in mean if text)} (n = {cell.n})", ""
    differences = (("linear", cell.linear_difference), ("5-NN", cell.knn_difference))
    against = [f"{_signed(value)} points {name}" for name, value in differences if value is not None]
    if against:
        yield "difference", f"{', '.join(against)} from the published, on average", ""
    yield "completed", _names(cell.runs) or "no run of this recipe yet", ""
    if cell.partial:
        yield (
            "unfinished",
            ", ".join(f"{run.row.run_id} ({_progress(run.row)})" for run in cell.partial[:_NAMED]),
            "",
        )
    for variant in cell.variants[:_NAMED]:
        yield (
            "variant",
            f"{variant.run.row.run_id}, not counted: other {_options(variant.deviations)}",
            _MUTED,
        )


def _signed(difference: Spread) -> str:
    spread = "" if difference.std is None else f" ± {difference.std:.2f}"
    return f"{difference.mean:+.2f}{spread}"


def _progress(row: RunRow) -> str:
    """The status of a run, with its epochs while it trains."""
    return f"{row.status}, epoch {row.epoch} of {row.epochs or '?'}" if row.status in ACTIVE else row.status


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
