"""`wmse-tui eval`: evaluate the encoder of a finished run or of one checkpoint, in a process of its own."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from wmse_tui.cli.arguments import Json, MachineOverrides, RunOrCheckpoint, RunsDir
from wmse_tui.cli.engine_command import run_engine_command


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
    overrides: MachineOverrides = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Evaluate a trained encoder again.

    With the probes and the device of its run, or with others.
    """
    from wmse_tui.cli.locating import find_checkpoint_target
    from wmse_tui.runs.process.evaluation_process import evaluation_command_line

    arguments = [str(find_checkpoint_target(target, runs_dir))]
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
    from wmse_tui.runs.text.units import count, duration, percent

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
    rows += [f"{name}  {result[name]}" for name in ("checkpoint", "device", "file") if name in result]
    return rows
