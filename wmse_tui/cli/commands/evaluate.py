"""`wmse-tui eval`: evaluate the encoder of a finished run or of one checkpoint, in a process of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from wmse_tui.cli.arguments import Json, MachineOverrides, RunOrCheckpoint, RunsDir
from wmse_tui.cli.engine_command import run_engine_command
from wmse_tui.config.transfer_sets import FINE_TUNE_STEPS, TRANSFER_SETS


class Knn(StrEnum):
    """Metric of the nearest neighbours; the paper's is Euclidean."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    OFF = "off"


class Linear(StrEnum):
    """Solver of the linear probe; the paper's is Adam."""

    ADAM = "adam"
    LBFGS = "lbfgs"
    OFF = "off"


def evaluate(
    target: RunOrCheckpoint,
    knn: Annotated[
        Knn | None,
        typer.Option("--knn", help="Metric of the neighbours (default: the run's).", show_default=False),
    ] = None,
    linear: Annotated[
        Linear | None,
        typer.Option("--linear", help="Solver of the linear probe (default: the run's).", show_default=False),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="DEVICE",
            help="auto, cpu, cuda or cuda:N (default: the run's).",
            show_default=False,
        ),
    ] = None,
    transfer: Annotated[
        list[str] | None,
        typer.Option(
            "--transfer",
            metavar="SETS",
            help="Transfer the encoder to other labelled images instead: names of sets, or folders, with "
            f"commas between them ({', '.join(TRANSFER_SETS)}); may be repeated.",
            show_default=False,
        ),
    ] = None,
    fine_tune: Annotated[
        str | None,
        typer.Option(
            "--fine-tune",
            metavar="PERCENTS",
            help="With --transfer: also train the encoder on so many percent of the labels, as in 1,10.",
            show_default=False,
        ),
    ] = None,
    fine_tune_steps: Annotated[
        int | None,
        typer.Option(
            "--fine-tune-steps",
            metavar="STEPS",
            min=1,
            help=f"Steps of the optimiser for each of them (default: {FINE_TUNE_STEPS}).",
            show_default=False,
        ),
    ] = None,
    overrides: MachineOverrides = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Evaluate a trained encoder again.

    With the probes and the device of its run, or with others; or on other images, with --transfer.
    """
    from wmse_tui.cli.locating import find_checkpoint_target
    from wmse_tui.config.transfer_sets import fine_tune_percents, transfer_sets
    from wmse_tui.runs.process.evaluation_process import evaluation_command_line

    arguments = [str(find_checkpoint_target(target, runs_dir))]
    for one in transfer_sets(transfer or ()):  # folders as absolute paths
        arguments += ["--transfer", one.name]
    fine_tune_percents(fine_tune)  # refused before anything starts
    if fine_tune is not None:
        arguments += ["--fine-tune", fine_tune]
    if fine_tune_steps is not None:
        arguments += ["--fine-tune-steps", str(fine_tune_steps)]
    if knn is not None:
        arguments += ["--knn", knn.value]
    if linear is not None:
        arguments += ["--linear", linear.value]
    if device is not None:
        arguments += ["--device", device]
    for override in overrides or ():
        arguments += ["--set", override]
    raise typer.Exit(
        run_engine_command(
            evaluation_command_line(*arguments),
            what="evaluation",
            as_json=json,
            lines=evaluation_text,
        )
    )


def evaluation_text(result: dict[str, Any]) -> list[str]:
    """Return the result of an evaluation as text: accuracies, which are fractions, in percent."""
    from wmse_tui.runs.state.transfer_results import KEY
    from wmse_tui.runs.text.units import count, duration, percent

    if KEY in result:
        return _transfer_text(result)
    knn, linear = result.get("knn"), result.get("linear")
    splits = f"{result.get('train_split', '-')} -> {result.get('test_split', '-')}"
    rows = []
    if isinstance(knn, dict):
        rows.append(f"{knn.get('k', 5)}-NN ({knn.get('metric', '')})  {percent(knn.get('top1'))}")
    if isinstance(linear, dict):
        top5 = linear.get("top5")
        rows.append(
            f"linear ({linear.get('solver', '')})  {percent(linear.get('top1'))}"
            + (f"  top-5 {percent(top5)}" if top5 is not None else "")
        )
    rows.append(f"{splits}, {duration(result.get('seconds'))}")
    if result.get("damaged"):
        rows.append(f"damaged  {count(result['damaged'], 'image')} left out: unreadable")
    return rows + _origin(result)


def _transfer_text(result: dict[str, Any]) -> list[str]:
    from wmse_tui.cli.transfer_text import transfer_lines
    from wmse_tui.runs.state.transfer_results import KEY, transfer_from_json

    return [*transfer_lines(transfer_from_json(result[KEY])), *_origin(result)]


def _origin(result: dict[str, Any]) -> list[str]:
    names = ("checkpoint", "device", "file", "unsaved")
    return [f"{name}  {result[name]}" for name in names if name in result]
