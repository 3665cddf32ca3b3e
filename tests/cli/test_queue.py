"""`--queue`, `--sweep` and `queue`, while the test occupies the slot of the machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wmse_tui.runs.annotations import read_annotations
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.catalogue import list_runs

Cli = Callable[..., Result]
QUEUE = ("run", "--preset", "quickstart", "--set", "compute.device=cpu", "--queue")
SWEEP = ("run", "--preset", "quickstart", "--set", "compute.device=cpu", "--sweep", "seed=3,4")


pytestmark = pytest.mark.usefixtures("occupied_slot")


def test_a_queued_run_returns_at_once_and_is_listed(cli: Cli) -> None:
    result = cli(*QUEUE, "--name", "mine")
    assert result.exit_code == 0
    assert result.stdout == "mine\n"
    assert "queued: next: used by a run" in result.stderr
    listed = json.loads(cli("queue", "--json").stdout)
    assert [slot["slot"] for slot in listed["slots"]] == ["machine"]
    (row,) = listed["queue"]
    assert (row["place"], row["run_id"], row["state"], row["slots"]) == (1, "mine", "waiting", ["machine"])
    assert "queued 1" in cli("runs").stdout
    again = cli(*QUEUE, "--name", "mine")
    assert again.exit_code == 73
    assert "run mine waits in the queue" in again.stderr


def test_the_order_is_changed_by_commands(cli: Cli) -> None:
    for name in ("a", "b", "c"):
        cli(*QUEUE, "--name", name)
    assert cli("queue", "first", "c", "b").exit_code == 0
    assert cli("queue", "hold", "a").stderr == "a: held\n"
    assert cli("queue", "hold", "a").stderr == "a: held already\n"
    rows = [line.split() for line in cli("queue").stdout.splitlines()]
    assert [row[:3] for row in rows[-3:]] == [
        ["1", "c", "waiting"],
        ["2", "b", "waiting"],
        ["3", "a", "held"],
    ]
    assert cli("queue", "release", "a").stderr == "a: released\n"
    assert cli("queue", "cancel", "c").stderr == "c: removed from the queue\n"
    assert cli("stop", "b").stderr == "b was queued; it has been removed from the queue.\n"
    refused = cli("queue", "hold", "b")
    assert refused.exit_code == 1
    assert "run b is not in the queue" in refused.stderr


def test_several_are_cancelled_and_can_be_queued_again_at_once(cli: Cli, tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")
    for name in names:
        cli(*QUEUE, "--name", name)
    refused = cli("queue", "cancel", *names, "a")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("".join(f"{name}: removed from the queue\n" for name in names))
    assert "run a is not in the queue" in refused.stderr
    assert not any(run.queue_lock.exists() for run in list_runs(tmp_path / "runs"))
    for name in names:
        assert cli("resume", name, "--queue").exit_code == 0


def test_nothing_is_queued_after_what_will_not_complete(cli: Cli, tmp_path: Path) -> None:
    cli(*QUEUE, "--name", "a")
    assert cli(*QUEUE, "--name", "b", "--after", "a").exit_code == 0
    assert view_run(list_runs(tmp_path / "runs")[0]).status_reason == "after a"
    assert cli(*QUEUE, "--after", "none").exit_code == 2
    assert len(list_runs(tmp_path / "runs")) == 2


def test_a_sweep_prints_its_runs_and_cost_and_asks(cli: Cli, tmp_path: Path) -> None:
    refused = cli(*SWEEP, "--name", "s")
    assert refused.exit_code == 2
    assert "2 runs: seed = 3, 4" in refused.stderr
    assert "time: unknown: no comparable run of this machine has completed an epoch" in refused.stderr
    assert "queueing 2 runs needs a confirmation" in refused.stderr
    assert list_runs(tmp_path / "runs") == ()
    made = cli(*SWEEP, "--name", "s", "--yes")
    assert made.stdout == "s-1\ns-2\n"
    run = next(run for run in list_runs(tmp_path / "runs") if run.id == "s-2")
    annotations = read_annotations(run)
    assert annotations.note == "seed=4"
    assert annotations.tags[0].startswith("sweep-")
    assert view_run(run).summary.seed == 4
    again = cli(*SWEEP, "--name", "s", "--yes")
    assert again.exit_code == 0
    assert again.stdout == ""
    assert "All of them are completed, active or queued already." in again.stderr


def test_a_wrong_value_of_a_sweep_creates_no_run(cli: Cli, tmp_path: Path) -> None:
    result = cli(*SWEEP[:-1], "seed=1,x", "--yes")
    assert result.exit_code == 2
    assert "--sweep seed=x" in result.stderr
    assert list_runs(tmp_path / "runs") == ()
