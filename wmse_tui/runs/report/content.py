"""What a report says: a run, or several, as blocks.

Times are UTC and nothing depends on when or where the report is made: two reports of one log are equal bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from wmse_tui.config.diff import Value, differing, flatten, value_text
from wmse_tui.config.fields import is_metadata
from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.paper import Paper
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Evaluation
from wmse_tui.runs.report.attempts import AttemptCollector, AttemptHistory
from wmse_tui.runs.report.document import Block, Code, Figure, Heading, PlainText, ReportDocument, Table
from wmse_tui.runs.state.config import read_configuration
from wmse_tui.runs.state.curves import QUANTITIES, curve, reference
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import TONES
from wmse_tui.runs.state.transfer_results import SavedTransfer, read_transfer
from wmse_tui.runs.state.verdict import judge
from wmse_tui.runs.state.watch import RunWatcher
from wmse_tui.runs.table.compare import Comparison, Spread, Subject, compare, unlike
from wmse_tui.runs.table.comparison_file import TRANSFER_CAPTION
from wmse_tui.runs.table.transfer_table import column_title
from wmse_tui.runs.text.transfer_terms import mean_text, transfer_terms
from wmse_tui.runs.text.units import count, duration, number, percent, percentage, rate, size

COLUMNS = 400  # buckets of a curve
FIGURES = ("loss", "knn", "linear", "lr", "effective_rank", "condition_number")
LOGARITHMIC = frozenset({"condition_number"})
MEASURES = ("effective_rank", "rankme", "anisotropy", "mean_correlation", "alignment", "uniformity", "lidar")


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """A run as a report needs it."""

    subject: Subject
    attempts: tuple[AttemptHistory, ...]

    @property
    def state(self) -> RunState:
        return self.subject.state


def read_run(run: RunDirectory) -> ReportedRun:
    """Read a run's log and configuration. Raises StorageError."""
    collector = AttemptCollector()
    watcher = RunWatcher(run, records=collector)
    state = watcher.poll()
    while watcher.behind:
        state = watcher.poll()
    return ReportedRun(Subject(state, read_configuration(run), read_transfer(run)), collector.attempts)


def report(runs: Sequence[ReportedRun]) -> ReportDocument:
    """The report of one run; of several with their comparison in front."""
    if len(runs) == 1:
        return ReportDocument(runs[0].state.run_id, tuple(_run(runs[0])))
    blocks = list(_comparison(runs))
    for run in runs:
        blocks += [Heading(1, run.state.run_id), *_run(run)]
    return ReportDocument(
        " and ".join((", ".join(r.state.run_id for r in runs[:-1]), runs[-1].state.run_id)), blocks
    )


def _run(run: ReportedRun) -> Iterator[Block]:
    state, experiment = run.state, run.subject.configuration.experiment
    yield from _head(state)
    yield Heading(2, "Result")
    yield from _result(state, None if experiment is None else experiment.paper)
    yield Heading(2, "Recipe")
    yield from _recipe(run)
    yield Heading(2, "Curves")
    yield from _figures([state])
    if state.evaluations:
        yield Heading(2, "Evaluations")
        yield _evaluations(state.evaluations)
    if run.subject.transfer:
        yield Heading(2, "Transfer")
        yield from _transfer(run.subject.transfer)
    if state.diagnostics:
        yield Heading(2, "Embeddings")
        yield from _embeddings(state)
    if state.checkpoints:
        yield Heading(2, "Checkpoints")
        yield _checkpoints(state)
    if run.attempts:
        yield Heading(2, "Attempts")
        yield _attempts(run.attempts)
    if state.notices or state.error is not None:
        yield Heading(2, "Notices and errors")
        yield from _notices(state)
    yield Heading(2, "Reproduce it")
    yield from _commands(run)
    if experiment is not None:
        yield Heading(2, "All options")
        rows = [(key, value_text(value)) for key, value in flatten(experiment).items()]
        yield Table(("option", "value"), [row for row in rows if not is_metadata(row[0])])


def _head(state: RunState) -> Iterator[Block]:
    about = state.summary
    if about.title:
        yield PlainText(about.title)
    reason = f": {state.status_reason}" if state.status_reason and not state.ended else ""
    yield PlainText(f"{state.status}{reason}", tone=TONES[state.status])
    if state.diagnostics:
        verdict = judge(state)
        yield PlainText(f"Embeddings {verdict.name}: {verdict.evidence}")


def _result(state: RunState, paper: Paper | None) -> Iterator[Block]:
    final = state.final
    linear, knn = (final.linear_top1, final.knn_top1) if final is not None else (None, None)
    published_linear, published_knn = (paper.linear, paper.knn) if paper is not None else (None, None)
    rows = []
    for title, ours, published in (
        (_probe_title(final), linear, published_linear),
        (_knn_title(final), knn, published_knn),
    ):
        difference = "" if ours is None or published is None else f"{100 * ours - published:+.2f}"
        rows.append((title, percent(ours), "" if published is None else f"{published:.2f} %", difference))
    yield Table(("measure", "this run", "published", "difference (points)"), rows, right=(1, 2, 3))
    if paper is not None and paper.source:
        yield PlainText(f"Published: {paper.source}")
    if final is not None and final.epoch < state.epochs:
        yield PlainText(f"Measured after epoch {final.epoch} of {state.epochs}: not comparable yet.")
    setup = state.setup
    if setup is not None:
        yield Table(
            ("progress", "steps", "time", "throughput", "images", "parameters"),
            [
                (
                    f"epoch {state.epoch} of {state.epochs}",
                    f"{state.step:,} of {state.total_steps:,}",
                    duration(state.elapsed),
                    rate(state.images_per_second),
                    f"{setup.train_images:,} ({setup.train_split})",
                    f"{setup.parameters:,}",
                )
            ],
        )


def _probe_title(final: Evaluation | None) -> str:
    return "linear probe" + (
        f" ({final.linear.solver})" if final is not None and final.linear is not None else ""
    )


def _knn_title(final: Evaluation | None) -> str:
    if final is None or final.knn is None:
        return "k-NN"
    return f"{final.knn.k}-NN ({final.knn.metric})"


def _recipe(run: ReportedRun) -> Iterator[Block]:
    """In short, and what differs from the preset."""
    configuration = run.subject.configuration
    experiment = configuration.experiment
    if experiment is None:
        yield PlainText(f"The configuration cannot be read: {configuration.problem}")
        return
    about = run.state.summary
    yield PlainText(
        f"{about.method} with {about.arch} on {about.dataset}, batches of {about.batch_size}, "
        f"{count(about.epochs, 'epoch')}, seed {about.seed}."
    )
    values, name = flatten(experiment), about.preset
    base = _preset(name)
    if base is not None:
        preset = flatten(base)
        changed = tuple(key for key in differing(preset, values) if key != "title")
        if changed:
            yield PlainText(f"Options that differ from the preset {name}:")
            yield Table(
                ("option", "this run", f"preset {name}"),
                [(key, _text(values, key), _text(preset, key)) for key in changed],
            )
        else:
            yield PlainText(f"The preset {name}, unchanged.")


def _preset(name: str) -> Experiment | None:
    """The preset that the run was made from, where it is here and valid."""
    if not name:
        return None
    try:
        return load_experiment(preset=name)
    except (ConfigError, OSError):
        return None


def _text(values: dict[str, Value], key: str) -> str:
    return value_text(values[key]) if key in values else ""


def _figures(states: Sequence[RunState], names: Sequence[str] = FIGURES) -> Iterator[Block]:
    for name in names:
        curves = [curve(state, name, columns=COLUMNS, label=state.run_id) for state in states]
        curves = [each for each in curves if each.x]
        if curves:
            quantity = QUANTITIES[name]
            yield Figure(
                title=quantity.title,
                unit=quantity.unit,
                x_title="epoch",
                curves=curves,
                references=reference(states[0], name) if len(states) == 1 else (),
                log=name in LOGARITHMIC,
            )


def _evaluations(evaluations: Sequence[Evaluation]) -> Table:
    rows = [
        (
            f"{each.epoch}" + (" (untrained)" if each.step == 0 else ""),
            f"{each.step:,}",
            percent(each.knn_top1),
            percent(each.linear_top1),
            percent(each.linear_top5),
            percent(each.raw_pixels),
            f"{each.train_split} -> {each.test_split}",
        )
        for each in evaluations
    ]
    return Table(
        ("epoch", "step", "k-NN", "linear", "top-5", "raw pixels", "splits"), rows, right=(1, 2, 3, 4, 5)
    )


def _transfer(saved: Sequence[SavedTransfer]) -> Iterator[Block]:
    """The frozen encoder on other images: probes, few images a class, calibration."""
    shots = sorted({few.shots for one in saved for few in one.result.few_shot})
    rows = []
    for result in (one.result for one in saved):
        few = {each.shots: each.score for each in result.few_shot}
        score, calibration = result.linear.score, result.calibration
        rows.append(
            (
                result.title,
                "mean per class" if result.metric == "mean_per_class" else "top-1",
                percentage(score.value),
                f"{percentage(score.low)} to {percentage(score.high)}",
                percentage(result.knn.score.value),
                percentage(result.weighted_knn.score.value),
                *(mean_text(few.get(each)) for each in shots),
                percentage(calibration.ece if calibration else None),
                percentage(calibration.ece_scaled if calibration else None),
                f"{result.train_split} -> {result.test_split}",
            )
        )
    heading = (
        *("set", "metric", "linear (%)", "95 %", "5-NN (%)", "weighted k-NN (%)"),
        *(f"{each} images a class (%)" if each > 1 else "1 image a class (%)" for each in shots),
        *("ECE (%)", "ECE scaled (%)", "splits"),
    )
    yield Table(heading, rows, right=range(2, len(heading) - 1))
    tuned = [(one.result.title, each) for one in saved for each in one.result.fine_tuned]
    if tuned:
        yield PlainText("The encoder fine-tuned on a part of the labels:")
        yield Table(
            ("set", "labels", "accuracy (%)", "95 %", "steps"),
            [
                (
                    title,
                    f"{100 * each.share:.3g} % ({each.images:,})",
                    percentage(each.score.value),
                    f"{percentage(each.score.low)} to {percentage(each.score.high)}",
                    f"{each.steps:,}",
                )
                for title, each in tuned
            ],
            right=(1, 2, 3, 4),
        )
    yield from (PlainText(line) for line in transfer_terms([one.result for one in saved]) if "*" not in line)
    times = sorted({(one.checkpoint, one.time) for one in saved})
    yield PlainText("; ".join(f"of {checkpoint}, {time}" for checkpoint, time in times))


def _embeddings(state: RunState) -> Iterator[Block]:
    rows = []
    for space in ("projector", "features", "encoder"):
        sample = state.latest(space)
        if sample is None:
            continue
        nulls = dict(sample.nulls)
        if sample.effective_rank_null is not None:
            nulls["effective_rank"] = sample.effective_rank_null
        for name in MEASURES:
            value = getattr(sample, name)
            if value is not None:
                rows.append(
                    (
                        space,
                        QUANTITIES[name].title,
                        number(value),
                        number(nulls.get(name)),
                        f"{sample.step:,}",
                    )
                )
    yield Table(("space", "number", "value", "isotropic noise", "step"), rows, right=(2, 3, 4))
    verdict = judge(state)
    for step in verdict.advice:
        yield PlainText(f"Advice: {step}")


def _checkpoints(state: RunState) -> Table:
    rows = [
        (each.file, ", ".join(each.kinds), str(each.epoch), f"{each.step:,}", size(each.bytes), each.sha256)
        for each in state.checkpoints
    ]
    return Table(("file", "saved as", "epoch", "step", "size", "SHA-256"), rows, right=(2, 3, 4))


def _attempts(attempts: Sequence[AttemptHistory]) -> Table:
    rows = []
    for each in attempts:
        setup = each.setup
        versions = ", ".join(f"{name} {version}" for name, version in setup.versions) if setup else ""
        rows.append(
            (
                str(each.number),
                _moment(each.began),
                duration(each.ended - each.began),
                f"{setup.resume_step:,}" if setup else "",
                f"{setup.device} on {setup.host}" if setup else "",
                ("" if not setup else "yes" if setup.exact else "no"),
                versions,
                each.outcome,
            )
        )
    heading = ("attempt", "began", "time", "from step", "device", "exact", "versions", "ended by")
    return Table(heading, rows, right=(0, 2, 3))


def _notices(state: RunState) -> Iterator[Block]:
    for notice in state.notices:
        yield PlainText(f"{notice.level}: {notice.text}", tone="warning" if notice.level == "warning" else "")
    error = state.error
    if error is not None:
        yield PlainText(f"{error.code}: {error.title}", tone="bad")
        for line in error.detail.splitlines():
            yield PlainText(line)
        for step in error.next:
            yield PlainText(f"Next: {step}")


def _commands(run: ReportedRun) -> Iterator[Block]:
    """The command that trains the same experiment again, and the versions it needs."""
    experiment, name = run.subject.configuration.experiment, run.state.summary.preset
    setup = run.state.setup
    if experiment is None:
        yield PlainText("The configuration cannot be read, so no command reproduces this run.")
        return
    base = _preset(name)
    if base is not None:
        values, preset = flatten(experiment), flatten(base)
        settings = [
            f"--set {shlex.quote(f'{key}={value_text(values[key])}')}"
            for key in differing(preset, values)
            if key in values
        ]
        yield Code((" ".join(("wmse-tui run --preset", shlex.quote(name), *settings, "--headless")),))
    else:
        yield Code(("wmse-tui run --config recipe.yaml --headless",))
        yield PlainText("with recipe.yaml:")
        yield Code(tuple(dump_experiment(experiment).splitlines()))
    if setup is not None and setup.versions:
        versions = " ".join(f"{package}=={version}" for package, version in setup.versions)
        yield PlainText(f"It was trained on {setup.device} with {versions}.")


def _comparison(runs: Sequence[ReportedRun]) -> Iterator[Block]:
    comparison = compare([run.subject for run in runs])
    yield Heading(2, "Results")
    yield Table(
        ("run", "status", "epoch", "linear", "k-NN", "best linear", "best k-NN", "time", "device"),
        [
            (
                each.row.run_id,
                each.row.status,
                f"{each.row.epoch}/{each.row.epochs or '?'}",
                percent(each.row.final_linear),
                percent(each.row.final_knn),
                percent(each.row.best_linear),
                percent(each.row.best_knn),
                duration(each.elapsed_seconds),
                each.row.device or "",
            )
            for each in comparison.results
        ],
        right=(3, 4, 5, 6, 7),
    )
    if why := unlike(comparison.results):
        yield PlainText(f"Not comparable: {why}.")
    if comparison.differences:
        yield Heading(2, "Options that differ")
        yield Table(
            ("option", *(each.row.run_id for each in comparison.results)),
            [(d.key, *(setting.text() for setting in d.settings)) for d in comparison.differences],
        )
    yield from _repetitions(comparison)
    if comparison.transfer:
        yield Heading(2, "Transfer")
        yield PlainText(TRANSFER_CAPTION)
        yield _transfer_by_run(comparison)
    yield Heading(2, "Curves")
    yield from _figures([run.state for run in runs], ("loss", "knn", "linear", "effective_rank"))


def _transfer_by_run(comparison: Comparison) -> Table:
    rows = []
    for place, each in enumerate(comparison.results):
        cells = [column.cells[place] for column in comparison.transfer]
        shown = (percentage(None) if c is None else f"{percentage(c.score.value)} {c.rank}" for c in cells)
        rows.append((each.row.run_id, *(text.strip() for text in shown)))
    heading = ("run", *(f"{column_title(column)} (%)" for column in comparison.transfer))
    return Table(heading, rows, right=range(1, len(heading)))


def _repetitions(comparison: Comparison) -> Iterator[Block]:
    repeated = [group for group in comparison.groups if len(group.runs) > 1]
    if not repeated:
        return
    yield Heading(2, "Repetitions")
    yield PlainText(
        "Mean and sample standard deviation over the completed runs that differ in the seed only."
    )
    yield Table(
        ("runs", "seeds", "completed", "linear", "k-NN"),
        [
            (
                ", ".join(group.runs),
                ", ".join(map(str, group.seeds)),
                f"{len(group.completed)} of {count(len(group.runs), 'run')}",
                _spread(group.final_linear),
                _spread(group.final_knn),
            )
            for group in repeated
        ],
        right=(3, 4),
    )


def _spread(found: Spread | None) -> str:
    return percent(None) if found is None else percent(found.mean, found.std)


def _moment(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
