"""`wmse-tui queue`: which runs wait for a slot, and in what order."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wmse_tui.cli.exception_handler import CommandGroup
from wmse_tui.cli.parameters import Json, RunsDir, complete_run

if TYPE_CHECKING:
    from wmse_tui.runs.directory import RunDirectory
    from wmse_tui.runs.queue.tickets import Entry

app = typer.Typer(
    cls=CommandGroup,
    help="See the runs that wait for a slot, and change their order.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Runs: ids, unique beginnings, `last`, or paths.",
        autocompletion=complete_run,
        show_default=False,
    ),
]


@app.callback()
def queue(context: typer.Context, json: Json = False) -> None:
    """See the runs that wait for a slot (a GPU, or where there is none the machine), and change their order.

    Runs come here with `run --queue`. Each waits as a process of its own, and starts when its turn comes.
    """
    if context.invoked_subcommand is None:
        _list(as_json=json)


@app.command()
def hold(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Let runs wait on, whatever is free; others pass them."""
    from wmse_tui.runs.queue.status import hold as change

    _each(runs, runs_dir, change, "held", "held already")


@app.command()
def release(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Let held runs go on waiting where they stood."""
    from wmse_tui.runs.queue.status import release as change

    _each(runs, runs_dir, change, "released", "not held")


@app.command()
def first(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Put runs before all others, in the order given."""
    from wmse_tui.runs.queue.status import go_first as change

    _each(list(reversed(runs)), runs_dir, change, "put first", "first already")


@app.command()
def cancel(runs: Runs, runs_dir: RunsDir = None) -> None:
    """Take runs out of the queue; they stay as they are and can be started or queued again."""
    from wmse_tui.runs.queue.status import cancel as change

    _each(runs, runs_dir, change, "taken out of the queue", "started at this very moment")


@app.command()
def again(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Runs; none: all that lost their place.", show_default=False),
    ] = None,
    runs_dir: RunsDir = None,
) -> None:
    """Queue runs again that lost their place (a reboot, a kill), or were not started because another failed.

    With an order kept among them, behind those that wait. What they came after is still waited for, unless
    they were dropped because of it.
    """
    from wmse_tui.cli.console import print_data, print_message
    from wmse_tui.cli.locating import find_run
    from wmse_tui.cli.start.launching import disown
    from wmse_tui.runs.directory import RunDirectory
    from wmse_tui.runs.errors import RunsError
    from wmse_tui.runs.queue.enqueue import enqueue
    from wmse_tui.runs.queue.status import not_queued
    from wmse_tui.runs.queue.tickets import entries, of_run

    every = entries()
    if runs:
        chosen = []
        for found in (find_run(text, runs_dir) for text in runs):
            entry = of_run(found, every)
            if entry is None:
                raise not_queued(found)
            chosen.append(entry)
    else:
        chosen = [entry for entry in every if entry.lost]
        if not chosen:
            print_message("No run has lost its place in the queue.")
    failed = False
    for entry in chosen:
        run = entry.run
        if run is None or entry.ticket is None:
            print_message(f"{entry.path}: {entry.problem}")
            failed = True
            continue
        after = () if entry.state == "dropped" else tuple(RunDirectory(Path(p)) for p in entry.ticket.after)
        try:
            waiting = enqueue(run, after=after)
        except RunsError as error:
            print_message(f"{run.id}: {error}")
            failed = True
        else:
            print_data(run.id)
            disown(waiting)
    if failed:
        raise typer.Exit(1)


def _each(
    texts: Sequence[str],
    runs_dir: Path | None,
    change: Callable[[RunDirectory], bool],
    done: str,
    already: str,
) -> None:
    """Change every run that is named; what all of them are is found out before the first is changed."""
    from wmse_tui.cli.console import print_message
    from wmse_tui.cli.locating import find_run

    for run in [find_run(text, runs_dir) for text in texts]:
        print_message(f"{run.id}: {done if change(run) else already}")


def _list(*, as_json: bool) -> None:
    from wmse_tui.cli.commands.runs import print_lost_positions
    from wmse_tui.cli.console import print_message
    from wmse_tui.runs.queue.tickets import entries
    from wmse_tui.runs.text.sanitize import safe

    every = entries()
    rows = [row(entry, every) for entry in every]
    if as_json:
        sys.stdout.write(jsonlib.dumps({"slots": _slots(every), "queue": rows}, indent=2) + "\n")
        return
    for slot in _slots(every):
        sys.stdout.write(f"{slot['label']}: {slot['use'] or 'free'}\n")
    if not rows:
        print_message("No run waits. Queue one: wmse-tui run --preset quickstart --queue")
        return
    lines = [("place", "run", "state", "queued", "waits for"), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    sys.stdout.write("\n")
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(safe("  ".join(cells).rstrip()) + "\n")
    print_lost_positions()


def row(entry: Entry, every: tuple[Entry, ...]) -> dict[str, Any]:
    """What the list says of one ticket; `state` is waiting, after, held, lost, dropped or unreadable."""
    from wmse_tui.runs.queue.status import number_of, reason_of

    ticket = entry.ticket
    if ticket is None:
        return {"place": 0, "run_id": None, "path": None, "state": "unreadable", "reason": entry.problem} | {
            "after": [], "slots": [], "host": None, "time": None, "ticket": str(entry.path)
        }  # fmt: skip
    state = "lost" if entry.lost else entry.state
    reason = reason_of(entry, every, ask_card=True) if entry.alive and state != "dropped" else entry.reason
    return {
        "place": number_of(entry, every) if entry.alive and state != "dropped" else 0,
        "run_id": Path(ticket.run).name,
        "path": ticket.run,
        "state": state,
        "reason": reason,
        "after": [Path(path).name for path in ticket.after],
        "slots": list(ticket.slots),
        "host": ticket.host,
        "time": ticket.time,
        "ticket": str(entry.path),
    }


def _cells(values: dict[str, Any]) -> tuple[str, ...]:
    from wmse_tui.runs.text.sanitize import safe
    from wmse_tui.runs.text.units import moment

    if values["run_id"] is None:
        return "-", safe(Path(values["ticket"]).name), "unreadable", "-", safe(values["reason"], 120)
    return (
        str(values["place"] or "-"),
        safe(values["run_id"], 64),
        values["state"],
        moment(values["time"])[:16],
        safe(values["reason"], 160),
    )


def _slots(every: tuple[Entry, ...]) -> list[dict[str, str]]:
    """The slots of this machine and those that somebody waits for here, with who uses them."""
    from wmse_tui.runs.process.identity import host
    from wmse_tui.runs.queue.gpu_slots import device_request, label, use_of

    asked = [slot for e in every if e.ticket and e.ticket.host == host() for slot in e.ticket.slots]
    names = dict.fromkeys([*device_request("auto").slots, *asked])
    return [{"slot": slot, "label": label(slot), "use": use_of(slot)} for slot in names]
