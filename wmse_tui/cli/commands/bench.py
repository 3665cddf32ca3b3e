"""`wmse-tui bench`: the speed of each stage of a recipe on this machine, beside a reference."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from wmse_tui.cli.arguments import Json, Overrides, PresetName
from wmse_tui.cli.engine_command import run_engine_command
from wmse_tui.cli.table_text import aligned
from wmse_tui.runs.process.interpreter import interpreter_command


class Against(StrEnum):
    """What is measured for comparison."""

    REFERENCE = "reference"


class Stage(StrEnum):
    """Parts of the benchmark."""

    INPUT = "input"
    WHITENING = "whitening"
    STEP = "step"
    EVALUATION = "evaluation"


def bench(
    preset: PresetName = "quickstart",
    overrides: Overrides = None,
    against: Annotated[
        Against | None,
        typer.Option(
            "--against",
            help="Measure a reference too: Pillow in workers, float32, a loop over slices.",
            show_default=False,
        ),
    ] = None,
    stage: Annotated[
        list[Stage] | None,
        typer.Option("--stage", help="Measure only this stage; may be repeated.", show_default=False),
    ] = None,
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", min=1, max=1000, help="Measurements of each stage.")
    ] = 7,
    json: Json = False,
) -> None:
    """Measure the speed of a recipe on this machine, stage by stage.

    Nothing is downloaded: generated patterns of the same size replace a data set that is not on this machine.
    """
    from wmse_tui.config.loading import dump_experiment, load_experiment

    experiment = load_experiment(preset=preset, overrides=overrides or [])
    argv = interpreter_command("wmse_tui.engine.commands", "benchmark", "--rounds", str(rounds))
    for one in stage or ():
        argv += ["--stage", one.value]
    if against is not None:
        argv.append("--against-reference")
    raise typer.Exit(
        run_engine_command(
            argv, what="benchmark", as_json=json, lines=benchmark_text, stdin=dump_experiment(experiment)
        )
    )


def benchmark_text(result: dict[str, Any]) -> list[str]:
    """Return the result of a benchmark as text: a line of numbers and a description for each stage."""
    rows: list[dict[str, Any]] = result["rows"]
    machine = f"{result['device']}; {result['cores']} cores, load {result['load']:.1f} before"
    versions = f"torch {result['torch']}, wmse-tui {result['version']}, {result['time']}"
    lines = [str(result["title"]), machine, versions, ""]
    compared = any(row["ratio"] for row in rows)
    columns = (
        ("stage", "n", "time", "speed", "reference / ours") if compared else ("stage", "n", "time", "speed")
    )
    head, *numbers = aligned([columns, *(_cells(row)[: len(columns)] for row in rows)], right=(1, 2, 3, 4))
    lines.append(head)
    for row, line in zip(rows, numbers, strict=True):
        lines += [line, *(f"  {text}" for text in _details(row))]
    lines += ["", "medians; in brackets the middle half of the measurements"]
    if result["floor"]:
        lines += ["", *_floor(result["floor"])]
    if result["ranks"]:
        lines += ["", *ranks_text(result["ranks"])]
    return lines


def ranks_text(shared: dict[str, Any]) -> Iterator[str]:
    """What several ranks gain and send, as `measure_ranks` returns it."""
    ranks, parameters = shared["ranks"], shared["parameters"]
    yield f"{ranks} ranks have {100 * shared['efficiency']:.0f} % of {ranks} times the speed of one"
    yield f"sent by each in a step ({parameters:,} trained parameters):"
    for transfer in shared["transfers"]:
        each = f"{transfer['count']} {transfer['name']} of {transfer['bytes']:,} B"
        yield f"  {each}{_contents(transfer, shared)}"


def _contents(transfer: dict[str, Any], shared: dict[str, Any]) -> str:
    """The largest of each kind: gradients are added up, embeddings gathered."""
    largest = next(each for each in shared["transfers"] if each["name"] == transfer["name"])
    if transfer is not largest:
        return ""
    return ": the gradients" if transfer["name"] == "all_reduce" else ": the embeddings"


def _floor(floor: dict[str, float]) -> Iterator[str]:
    product, copy, step = (_time(floor[f"{name}_seconds"]) for name in ("arithmetic", "memory", "step"))
    yield "floor of a step:"
    yield f"  {floor['gflop']:.1f} GFLOP in {product}, at the speed of the product"
    yield f"  {floor['gigabytes']:.1f} GB of operands and results in {copy}, at the speed of the copy"
    yield f"  a step takes {step}: the larger of the two is {100 * floor['share']:.0f} % of it"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return row["stage"], str(row["n"]), _time(row["seconds"]["median"]), _speed(row), _ratio(row["ratio"])


def _details(row: dict[str, Any]) -> Iterator[str]:
    yield str(row["what"])
    if row["against"]:
        yield f"against {row['against']}: {_time(row['reference_seconds']['median'])}"
    if row["note"]:
        yield str(row["note"])


def _time(seconds: float) -> str:
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} us"


def _speed(row: dict[str, Any]) -> str:
    speed = row["per_second"]
    if not speed:
        return ""
    value = speed["median"]
    return f"{value:,.0f} {row['unit']}/s" if value >= 10 else f"{value:.2g} {row['unit']}/s"


def _ratio(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return ""
    digits = 2 if ratio["median"] < 10 else 1
    return f"{ratio['median']:.{digits}f}x ({ratio['low']:.{digits}f} to {ratio['high']:.{digits}f})"
