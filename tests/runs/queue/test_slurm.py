"""Runs as jobs of SLURM: options, the script, and what a run's status takes from `squeue`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from events import attempt
from slurm_programs import Slurm, pending

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import NotQueued, RunQueued, SchedulerError
from wmse_tui.runs.log.events import Exit
from wmse_tui.runs.log.writer import EventWriter
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.process.removal import remove_run
from wmse_tui.runs.queue import slurm, slurm_jobs
from wmse_tui.runs.queue.positions import cancel, hold
from wmse_tui.runs.queue.slurm import (
    JobOptions,
    job_script,
    jobs_of_runs,
    read_options,
    submit,
    waiting_job,
)
from wmse_tui.runs.queue.slurm_jobs import SlurmJob
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.index import RunIndex


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """A SLURM of these programs, before all others in PATH."""
    found = Slurm(tmp_path / "slurm")
    found.use(monkeypatch)
    return found


def test_the_command_line_goes_over_the_settings() -> None:
    defaults: dict[str, str | int] = {"partition": "gpu", "cpus-per-task": 8}
    assert read_options(["partition=big", "--time=24:00:00", "exclusive"], defaults) == {
        "partition": "big",
        "cpus-per-task": "8",
        "time": "24:00:00",
        "exclusive": "",
    }


@pytest.mark.parametrize(
    "text", ["", "=x", "-p=gpu", "Time=2", "time=2\n#SBATCH --x", 'comment=a"b', "a b=c"]
)
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(SchedulerError, match="is no option of sbatch"):
        read_options([text], {})


@pytest.mark.parametrize("name", slurm.FIXED)
def test_an_option_on_which_a_job_rests_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(SchedulerError, match=f"{name} cannot be set") as caught:
        read_options([f"{name}=2"], {})
    assert caught.value.detail == slurm.FIXED[name]


def test_a_script_has_the_options_the_set_up_and_both_commands(run: RunDirectory) -> None:
    script = job_script(
        run, JobOptions({"time": "24:00:00", "comment": "two words", "exclusive": ""}, ("module load x",))
    )
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    head = [line for line in lines if line.startswith("#SBATCH")]
    assert "#SBATCH --signal=USR1@120" in head
    assert "#SBATCH --time=24:00:00" in head
    assert '#SBATCH --comment="two words"' in head
    assert "#SBATCH --exclusive" in head
    assert "#SBATCH --gpus-per-node=1" in head
    assert lines[1 + len(head)] == "module load x"
    train = shlex.split(next(line for line in lines if line.startswith("srun ")))
    assert train[-4:] == ["wmse_tui", "resume", str(run.path), "--headless"]
    again = shlex.split(next(line for line in lines if "requeue" in line and "status" in line), comments=True)
    assert again[:5] == ["[", "$status", "-eq", "143", "]"]
    assert again[-4:] == ["wmse_tui", "queue", "requeue", str(run.path)]


@pytest.mark.parametrize("options", [{"gpus": "2"}, {"gres": "gpu:a100:1"}, {"gpus-per-task": "1"}])
def test_a_gpu_is_requested_once(run: RunDirectory, options: dict[str, str]) -> None:
    assert "gpus-per-node" not in job_script(run, JobOptions(options))


def test_a_run_for_the_cpu_requests_no_gpu(run: RunDirectory) -> None:
    assert "gpus" not in job_script(run, JobOptions({}), gpus=False)


@pytest.mark.parametrize(("nodes", "on_each"), [(None, 4), ("1", 4), ("2", 2), ("4", 1)])
def test_a_run_of_several_devices_has_a_task_for_each(
    run: RunDirectory, nodes: str | None, on_each: int
) -> None:
    script = job_script(run, JobOptions({} if nodes is None else {"nodes": nodes}), devices=4)
    head = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in script.splitlines()
        if line.startswith("#SBATCH")
    )
    assert (head["nodes"], head["ntasks-per-node"]) == (nodes or "1", str(on_each))
    assert head["gpus-per-node"] == str(on_each)
    assert "\nsrun --kill-on-bad-exit=1 " in script
    assert "gpus-per-node" not in job_script(run, JobOptions({"gres": "gpu:a100:4"}), devices=4)


@pytest.mark.parametrize(("nodes", "devices"), [("3", 4), ("2", 1), ("0", 4), ("1-2", 4), ("", 2)])
def test_devices_that_cannot_be_divided_among_the_nodes_are_refused(
    run: RunDirectory, nodes: str, devices: int
) -> None:
    with pytest.raises(SchedulerError, match=rf"nodes={nodes}: {devices} devices? cannot be divided among"):
        job_script(run, JobOptions({"nodes": nodes}), devices=devices)


def test_a_submitted_run_is_queued_until_its_job_runs(run: RunDirectory, programs: Slurm) -> None:
    assert view_run(run).status == "new"
    assert submit(run, "#!/bin/bash\n") == "12"
    assert programs.called("sbatch") == [f"sbatch --parsable --chdir={run.path} {run.path}/slurm.sh"]
    programs.reports("7|PENDING|None|N/A|/elsewhere", pending(run), "not a line")
    state = view_run(run)
    assert (state.status, state.position) == ("queued", 0)
    assert state.status_reason == "SLURM job 12 pending: Priority, expected 2026-03-01T12:00:00"
    assert [(job.id, each.id) for job, each in jobs_of_runs()] == [("12", "little")]
    programs.reports(pending(run, state="RUNNING", reason="None"))
    assert view_run(run).status == "new"
    assert waiting_job(run) is None
    programs.reports()
    assert view_run(run).status == "new"


def test_a_list_shows_that_a_stopped_run_waits_again(run: RunDirectory, programs: Slurm) -> None:
    with EventWriter(run.events) as log:
        log.begin_attempt()
        log.write(attempt())
        log.write(Exit(status="stopped", step=4, epoch=1, seconds=1.0))
    index = RunIndex(run.path.parent)
    submit(run, "#!/bin/bash\n")
    assert [row.status for row in index.refresh()] == ["stopped"]
    programs.reports(pending(run, state="REQUEUED"))
    assert [row.status for row in index.refresh()] == ["queued"]


def test_a_list_shows_that_a_new_run_waits_once_slurm_reports_it(run: RunDirectory, programs: Slurm) -> None:
    index = RunIndex(run.path.parent)
    submit(run, "#!/bin/bash\n")
    for _ in range(2):
        assert [row.status for row in index.refresh()] == ["new"]
    programs.reports(pending(run))
    assert [row.status for row in index.refresh()] == ["queued"]
    programs.reports()
    assert [row.status for row in index.refresh()] == ["new"]


def test_nothing_else_starts_or_removes_a_run_that_waits_as_a_job(run: RunDirectory, programs: Slurm) -> None:
    submit(run, "#!/bin/bash\n")
    programs.reports(pending(run))
    for refused in (launch_trainer, remove_run, lambda run: submit(run, "")):
        with pytest.raises(RunQueued, match="run little waits as job 12 of SLURM") as caught:
            refused(run)
        assert caught.value.next == ("cancel the job: wmse-tui queue cancel little",)
    with pytest.raises(NotQueued, match="waits in SLURM, which decides on its order"):
        hold(run)
    assert cancel(run)
    assert programs.called("scancel") == ["scancel 12"]
    programs.reports()
    remove_run(run)
    assert not run.path.exists()


def test_a_copy_of_a_run_is_not_the_job(run: RunDirectory, root: Path, programs: Slurm) -> None:
    original, copy = run, create_run(root, run.config.read_text(), name="copy")
    submit(original, "#!/bin/bash\n")
    copy.slurm_job.write_bytes(original.slurm_job.read_bytes())
    programs.reports(pending(original))
    assert waiting_job(copy) is None
    assert waiting_job(original) == SlurmJob(
        "12", "PENDING", "Priority", "2026-03-01T12:00:00", str(original.path)
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"job": 12}', "[" * 100_000])
def test_a_damaged_note_of_a_job_is_none(run: RunDirectory, programs: Slurm, content: str) -> None:
    run.slurm_job.write_text(content)
    programs.reports(pending(run))
    assert view_run(run).status == "new"


def test_slurm_is_asked_only_for_runs_that_were_submitted_and_seldom(
    run: RunDirectory, programs: Slurm
) -> None:
    view_run(run)
    assert not programs.called("squeue")
    submit(run, "#!/bin/bash\n")
    slurm.forget()
    for _ in range(5):
        view_run(run)
    assert len(programs.called("squeue")) == 1


def test_slurm_is_offered_where_it_answers_and_not_inside_its_jobs(
    programs: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert slurm.answers()
    programs.answers("squeue", "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1")
    assert not slurm.answers()
    programs.reports()
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert not slurm.answers()


def test_what_slurm_refuses_is_passed_on_in_one_line(run: RunDirectory, programs: Slurm) -> None:
    programs.answers("sbatch", "echo 'sbatch: error: invalid partition\x1b[31m' >&2; exit 1")
    with pytest.raises(SchedulerError, match="sbatch refused") as caught:
        submit(run, "#!/bin/bash\n")
    assert caught.value.detail == "sbatch: error: invalid partition\\x1b[31m"
    assert not run.slurm_job.exists()


@pytest.mark.parametrize(
    ("reason", "option"), [("PartitionTimeLimit", "time"), ("InvalidAccount", "account")]
)
def test_a_job_that_would_wait_for_ever_is_a_failure_and_makes_way(
    run: RunDirectory, programs: Slurm, reason: str, option: str
) -> None:
    submit(run, "#!/bin/bash\n")
    programs.reports(pending(run, reason=reason))
    why = f"SLURM job 12 never starts: {reason}; submit it with another {option}"
    assert (view_run(run).status, view_run(run).status_reason) == ("failed", why)
    index = RunIndex(run.path.parent)
    assert [row.status for row in index.refresh()] == ["failed"]
    programs.reports(pending(run))  # its limit was raised
    assert [row.status for row in index.refresh()] == ["queued"]
    programs.reports(pending(run, reason=reason))
    assert [job.reason for job, _ in jobs_of_runs()] == [reason]
    submit(run, "#!/bin/bash\n")
    assert programs.called("scancel") == ["scancel 12"]
    programs.reports(pending(run, reason=reason))
    remove_run(run)
    assert programs.called("scancel") == ["scancel 12"] * 2
    assert not run.path.exists()


def test_without_slurm_nothing_is_submitted(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SchedulerError, match="there is no SLURM on this machine"):
        submit(run, "#!/bin/bash\n")


def ended(run: RunDirectory, state: str, reason: str) -> str:
    return pending(run, state=state, reason=reason)


def submitted_a_while_ago(run: RunDirectory) -> None:
    """Submit a run, so long ago that SLURM has listed its job."""
    submit(run, "#!/bin/bash\n")
    note = json.loads(run.slurm_job.read_text())
    run.slurm_job.write_text(json.dumps(note | {"time": note["time"] - 60}))


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("CANCELLED", "None", "SLURM job 12 was cancelled before the run began"),
        ("FAILED", "NonZeroExitCode", "SLURM job 12 failed before the run began: NonZeroExitCode"),
        ("TIMEOUT", "TimeLimit", "SLURM job 12 reached its time limit before the run began: TimeLimit"),
        ("BOOT_FAIL", "None", "SLURM job 12 failed: its nodes did not start before the run began"),
    ],
)
def test_a_job_that_ended_before_its_run_began_is_a_failure_with_its_reason(
    run: RunDirectory, programs: Slurm, state: str, reason: str, text: str
) -> None:
    index = RunIndex(run.path.parent)
    submit(run, "#!/bin/bash\n")
    programs.reports(ended(run, state, reason))
    assert (view_run(run).status, view_run(run).status_reason) == ("failed", text)
    assert [(row.status, row.status_reason) for row in index.refresh()] == [("failed", text)]
    assert jobs_of_runs() == ()
    run.slurm_log.write_text("loading\nmodule: command not found\n\n")
    assert view_run(run).status_reason == f"{text}; slurm.log ends: module: command not found"
    assert submit(run, "#!/bin/bash\n") == "12", "it may be submitted again"


def test_a_job_that_slurm_has_forgotten_is_looked_up_in_its_accounting(
    run: RunDirectory, root: Path, programs: Slurm
) -> None:
    submit(run, "#!/bin/bash\n")
    assert view_run(run).status == "new", "it may not be listed yet"
    submitted_a_while_ago(run)
    copy = create_run(root, run.config.read_text(), name="copy")
    copy.slurm_job.write_bytes(run.slurm_job.read_bytes())
    programs.answers("sacct", "echo 'CANCELLED by 0|QOSMaxWallDurationPerJobLimit'")
    why = "SLURM job 12 was cancelled before the run began: QOSMaxWallDurationPerJobLimit"
    assert view_run(run).status_reason == why
    assert view_run(run).status == "failed"
    assert view_run(copy).status == "new"
    assert len(programs.called("sacct")) == 1
    programs.reports()
    programs.answers("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert view_run(run).status_reason == "SLURM job 12 ended before the run began"
    programs.answers("squeue", "exit 1")
    slurm.forget()
    assert view_run(run).status == "new", "without an answer nothing is known"
    with EventWriter(run.events) as log:
        log.begin_attempt()
        log.write(attempt())
        log.write(Exit(status="stopped", step=4, epoch=1, seconds=1.0))
    programs.reports()
    assert (view_run(run).status, view_run(run).status_reason) == ("stopped", "")


def test_a_job_that_runs_is_cancelled_until_it_trains(run: RunDirectory, programs: Slurm) -> None:
    submit(run, "#!/bin/bash\n")
    programs.reports(pending(run, state="RUNNING"))
    assert cancel(run)
    assert programs.called("scancel") == ["scancel 12"]
    assert not run.slurm_job.exists()
    submit(run, "#!/bin/bash\n")
    programs.reports(pending(run, state="RUNNING"))
    with EventWriter(run.events) as log:
        log.begin_attempt()
        log.write(attempt())
    with pytest.raises(NotQueued, match="trains in SLURM, as job 12") as caught:
        cancel(run)
    assert "wmse-tui stop little" in caught.value.next[0]
    assert len(programs.called("scancel")) == 1


def test_where_slurm_does_not_answer_what_it_reported_last_is_used(
    run: RunDirectory, programs: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_jobs, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    submit(run, "#!/bin/bash\n")
    programs.answers("squeue", "exec sleep 60")
    assert slurm.answers(patience=0.01) is None
    assert (view_run(run).status, slurm.known().problem) == ("new", "")
    assert slurm.answers(patience=10) is False
    assert "squeue did not answer within 0 s" in slurm.known().problem
    programs.reports(pending(run))
    assert view_run(run).status == "queued"
    assert slurm.answers() is True
    programs.answers("squeue", "exec sleep 60")
    assert view_run(run).status == "queued"
    assert slurm.answers(patience=10) is False
    assert view_run(run).status == "queued"
    assert len(programs.called("squeue")) <= 4, "one question at a time"
