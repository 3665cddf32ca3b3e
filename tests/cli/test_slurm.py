"""`run --slurm` and `queue`: a job is shown, submitted, listed, cancelled and requeued."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm_programs import Slurm, pending
from typer.testing import Result

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.queue import slurm, slurm_jobs
from wmse_tui.runs.queue.run_jobs import hours_of

Cli = Callable[..., Result]
MakeRun = Callable[..., RunDirectory]
RUN = ("run", "--preset", "quickstart", "--name", "mine", "--slurm")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """A SLURM of stand-ins, before all other programs in PATH."""
    found = Slurm(tmp_path / "slurm")
    found.use(monkeypatch)
    return found


@pytest.fixture
def mine(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / "mine")


def test_a_job_is_shown_submitted_listed_and_cancelled(cli: Cli, programs: Slurm, mine: RunDirectory) -> None:
    submitted = cli(*RUN, "--slurm-option", "time=24:00:00")
    assert (submitted.exit_code, submitted.stdout) == (0, "mine\n")
    assert "  #SBATCH --time=24:00:00" in submitted.stderr.splitlines()
    assert "submitted as job 12. See it: wmse-tui queue" in submitted.stderr
    assert mine.slurm_script.read_text() == "".join(
        f"{line[2:]}\n"
        for line in submitted.stderr.splitlines()
        if line.startswith("  ") and "->" not in line
    )
    programs.reports(pending(mine))
    listed = cli("queue").stdout.splitlines()
    assert listed[-2].split() == ["job", "run", "state", "start", "waits", "for"]
    assert listed[-1].split() == ["12", "mine", "pending", "2026-03-01", "12:00", "Priority"]
    assert json.loads(cli("queue", "--json").stdout)["jobs"] == [
        {
            "job": "12",
            "run_id": "mine",
            "path": str(mine.path),
            "state": "PENDING",
            "reason": "Priority",
            "start": "2026-03-01T12:00:00",
        }
    ]
    again = cli("resume", "mine", "--headless")
    assert again.exit_code == 73
    assert "run mine waits as job 12 of SLURM" in again.stderr
    assert cli("stop", "mine").exit_code == 0
    assert programs.called("scancel") == ["scancel 12"]
    programs.reports()
    assert "12" not in cli("queue").stdout


@pytest.mark.parametrize(
    ("settings", "requested"), [((), "1"), (("compute.devices=4",), "4"), (("compute.device=cpu",), None)]
)
def test_as_many_gpus_are_requested_as_the_run_trains_on(
    cli: Cli, programs: Slurm, mine: RunDirectory, settings: tuple[str, ...], requested: str | None
) -> None:
    cli(*RUN, *(word for setting in settings for word in ("--set", setting)))
    options = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in mine.slurm_script.read_text().splitlines()
    )
    assert options.get("gpus-per-node") == requested
    assert len(programs.called("sbatch")) == 1


def test_a_submission_is_reported_as_json(cli: Cli, programs: Slurm, mine: RunDirectory) -> None:
    result = cli(*RUN, "--json")
    assert json.loads(result.stdout) == {
        "type": "submitted", "run": "mine", "path": str(mine.path), "job": "12"
    }  # fmt: skip
    assert programs.called("sbatch")


def test_settings_give_the_defaults_of_every_job(
    cli: Cli, programs: Slurm, mine: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text('slurm:\n  options: {partition: gpu, time: "2:00:00"}\n  setup: [module load cuda]\n')
    monkeypatch.setenv("WMSE_TUI_SETTINGS", str(settings))
    assert cli(*RUN, "--slurm-option", "partition=big").exit_code == 0
    lines = mine.slurm_script.read_text().splitlines()
    assert {"#SBATCH --partition=big", "#SBATCH --time=2:00:00", "module load cuda"} <= set(lines)
    assert len(programs.called("sbatch")) == 1


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--headless",), "--slurm excludes --headless"),
        (("--queue",), "--slurm excludes --headless"),
        (("--detach",), "--slurm excludes --headless"),
        (("--slurm-option", "ntasks=2"), "ntasks cannot be set"),
        (("--slurm-option", "nodes=2"), "1 device cannot be divided among so many nodes"),
        (("--slurm-option", "=2"), "is no option of sbatch"),
    ],
)
def test_what_cannot_be_submitted_is_refused_before_a_run_is_made(
    cli: Cli, programs: Slurm, mine: RunDirectory, more: tuple[str, ...], text: str
) -> None:
    result = cli(*RUN, *more)
    assert result.exit_code in {1, 2}
    assert text in result.stderr
    assert not mine.path.exists()
    assert not programs.called("sbatch")


def test_a_sweep_is_a_job_for_each_run_after_their_number_and_cost(
    cli: Cli, programs: Slurm, tmp_path: Path
) -> None:
    swept = (*RUN, "--sweep", "seed=1,2,3", "--set", "compute.devices=2", "--slurm-option", "time=1-12")
    unconfirmed = cli(*swept)
    assert unconfirmed.exit_code == 2
    assert "submitting 3 runs needs a confirmation" in unconfirmed.stderr
    assert not programs.called("sbatch")
    submitted = cli(*swept, "--yes")
    assert (submitted.exit_code, submitted.stdout.split()) == (0, ["mine-1", "mine-2", "mine-3"])
    shown = submitted.stderr
    cost = "3 jobs, one for each run, with 6 GPUs in all; time limit 1-12: at most 216 GPU hours"
    assert (
        shown.index("3 runs: seed = 1, 2, 3") < shown.index(cost) < shown.index("#SBATCH --job-name=mine-1")
    )
    assert "3 jobs of SLURM, one for each run" in shown
    assert "submitted 3 jobs, tagged sweep-" in shown
    runs = [RunDirectory(tmp_path / "runs" / f"mine-{number}") for number in (1, 2, 3)]
    assert len(programs.called("sbatch")) == 3
    assert all("#SBATCH --ntasks-per-node=2" in run.slurm_script.read_text() for run in runs)
    programs.reports(pending(runs[0]))
    programs.answers("sbatch", "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1")
    more = ("run", "--preset", "quickstart", "--name", "more", "--slurm", "--sweep", "seed=7,8")
    refused = cli(*more, "--yes")
    assert refused.exit_code == 1
    assert "QOSMaxSubmitJobPerUserLimit" in refused.stderr
    assert not (tmp_path / "runs" / "more-1").exists()
    programs.answers("sbatch", "echo 12")
    again = cli(*swept, "--yes", "--json")
    assert "to submit: 2; the others are completed, active or queued already" in again.stderr
    objects = [json.loads(line) for line in again.stdout.splitlines()]
    assert [(each["type"], each["run"], each["job"]) for each in objects] == [
        ("submitted", "mine-2", "12"),
        ("submitted", "mine-3", "12"),
    ]


@pytest.mark.parametrize(
    ("limit", "hours"),
    [("90", 1.5), ("30:00", 0.5), ("2:30:00", 2.5), ("1-0", 24), ("1-12:30", 36.5), ("UNLIMITED", None)],
)
def test_the_time_limit_of_a_job_is_read_as_sbatch_reads_it(limit: str, hours: float | None) -> None:
    assert hours_of(limit) == hours


def test_a_squeue_that_does_not_answer_is_named(
    cli: Cli, programs: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_jobs, "TIMEOUT_SECONDS", 0.2)
    programs.answers("squeue", "exec sleep 60")
    slurm.forget()
    result = cli("queue")
    assert result.exit_code == 0
    assert "SLURM does not answer, and its jobs are not listed: squeue did not answer" in result.stderr


def test_options_of_a_job_need_a_job(cli: Cli) -> None:
    result = cli("run", "--preset", "quickstart", "--slurm-option", "time=2")
    assert result.exit_code == 2
    assert "--slurm-option needs --slurm" in result.stderr


def test_a_refused_job_leaves_no_run(cli: Cli, programs: Slurm, mine: RunDirectory) -> None:
    programs.answers("sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1")
    result = cli(*RUN)
    assert result.exit_code == 1
    assert "sbatch: error: invalid partition" in result.stderr
    assert not mine.path.exists()


def test_a_job_that_trained_further_is_requeued(
    cli: Cli, programs: Slurm, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("mine", upto=-1)
    outside = cli("queue", "requeue", run.id)
    assert (outside.exit_code, "SLURM_JOB_ID is not set" in outside.stderr) == (2, True)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    result = cli("queue", "requeue", run.id)
    assert result.exit_code == 0, result.stderr
    assert programs.called("scontrol") == ["scontrol requeue 12"]


def test_a_job_that_saved_nothing_is_not_started_again_for_ever(
    cli: Cli, programs: Slurm, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    run = make_run("mine", upto=3)
    result = cli("queue", "requeue", run.id)
    assert result.exit_code == 1
    assert "began at step 0 and saved nothing beyond it" in result.stderr
    completed = make_run("done")
    assert cli("queue", "requeue", completed.id).exit_code == 0
    assert not programs.called("scontrol")
