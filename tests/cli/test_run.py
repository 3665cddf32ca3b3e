"""`run` and `resume` with a stand-in for the trainer: messages, remaining run directories, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wmse_tui.cli.exits import ExitCode
from wmse_tui.cli.follow.jsonlines import summary
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.encoding import decode
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

Cli = Callable[..., Result]
Trainer = Callable[..., None]
QUICK = ("run", "--preset", "quickstart", "--headless", "--set", "schedule.epochs=2")


def runs_in(tmp_path: Path) -> list[str]:
    """The names in the folder of runs, hidden ones included."""
    folder = tmp_path / "runs"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_run_is_followed_to_its_end_and_its_path_is_printed(
    cli: Cli, trainer: Trainer, tmp_path: Path
) -> None:
    trainer("completes")
    result = cli(*QUICK, "--name", "mine")
    assert result.exit_code == 0
    assert [line[21:] for line in result.stdout.splitlines()[:-2]] == [
        "device  CPU (asked for)",
        "data  64 images (train), loader batched (small)",
        "training  2 epochs of 4 steps, 1.23 M parameters, exact resumption",
        "epoch 2/2  step 8/8  loss 0.5  lr 0.001  100 images/s",
        "evaluation  epoch 2: 5-NN 81.25 %, linear 87.50 % (top-5 99.00 %)  [train -> test, <1 s]",
        "completed  epoch 2, step 8, after 2 s",
    ]
    assert result.stdout.splitlines()[-2:] == [
        "result  5-NN 81.25 %, linear 87.50 % (top-5 99.00 %)  (epoch 2)",
        f"run  {tmp_path / 'runs' / 'mine'}",
    ]
    assert result.stderr.startswith(f"run mine in {tmp_path / 'runs' / 'mine'} (Ctrl-C saves and stops it)\n")


def test_without_headless_and_without_a_terminal_the_run_is_followed_here(cli: Cli, trainer: Trainer) -> None:
    trainer("completes")
    result = cli(*(argument for argument in QUICK if argument != "--headless"))
    assert result.exit_code == 0
    assert "completed" in result.stdout


def test_json_prints_the_log_line_by_line_and_a_summary(cli: Cli, trainer: Trainer, tmp_path: Path) -> None:
    trainer("completes")
    result = cli(*QUICK, "--name", "mine", "--json")
    *events, summary = [json.loads(line) for line in result.stdout.splitlines()]
    log = (tmp_path / "runs" / "mine" / "events.jsonl").read_text().splitlines()
    assert events == [json.loads(line) for line in log]
    assert summary == {
        "type": "summary",
        "run": "mine",
        "path": str(tmp_path / "runs" / "mine"),
        "state": "completed",
        "exit_code": 0,
        "epoch": 2,
        "epochs": 2,
        "step": 8,
        "knn": 0.8125,
        "linear": 0.875,
        "linear_top5": 0.99,
        "best_knn": 0.8125,
        "best_linear": 0.875,
        "error": None,
    }


def test_the_accuracy_of_the_untrained_encoder_is_no_result_of_the_summary(
    records: tuple[Record, ...],
) -> None:
    run = RunDirectory(Path("/runs/a"))
    only_untrained = fold(RunState(run_id="a", status="stopped"), records[:8])
    assert [evaluation.step for evaluation in only_untrained.evaluations] == [0]
    reported = summary(run, only_untrained, ExitCode.STOPPED)
    assert (reported["knn"], reported["linear"], reported["linear_top5"]) == (None, None, None)
    assert (reported["best_knn"], reported["best_linear"]) == (None, None)
    trained = summary(run, fold(only_untrained, records[8:]), ExitCode.COMPLETED)
    assert (trained["knn"], trained["linear"], trained["linear_top5"]) == (0.8125, 0.875, 0.99)


def test_a_followed_log_is_parsed_once(
    cli: Cli, trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer("completes")
    assert cli(*QUICK, "--name", "mine").exit_code == 0
    parsed: list[bytes] = []

    def counted(line: bytes) -> Record:
        parsed.append(line)
        return decode(line)

    monkeypatch.setattr("wmse_tui.runs.log.reader.decode", counted)
    assert cli("attach", "mine", "--json").exit_code == 0
    assert parsed == (tmp_path / "runs" / "mine" / "events.jsonl").read_bytes().splitlines()


def test_detach_returns_at_once_with_the_id(cli: Cli, trainer: Trainer, tmp_path: Path) -> None:
    trainer("completes")
    result = cli(*QUICK[:3], *QUICK[4:], "--detach")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == runs_in(tmp_path)
    assert result.stdout.startswith("quickstart-")
    assert f"watch it: wmse-tui attach {result.stdout.strip()}" in result.stderr
    attached = cli("attach", "last")
    assert attached.exit_code == 0
    assert "completed" in attached.stdout


def test_a_diverged_run_exits_with_3_and_its_next_steps(cli: Cli, trainer: Trainer, tmp_path: Path) -> None:
    trainer("diverges")
    result = cli(*QUICK, "--name", "mine")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[1:] == [
        "wmse-tui: the loss is not finite [E_NONFINITE]",
        "  step 5",
        "  Saved: step-4.pt",
        "  -> a lower learning rate",
        "Resume it: wmse-tui resume mine",
    ]
    assert runs_in(tmp_path) == ["mine"]


def test_a_failure_before_training_leaves_no_run_behind(cli: Cli, trainer: Trainer, tmp_path: Path) -> None:
    trainer("no_data")
    result = cli(*QUICK)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "wmse-tui: there is no STL-10 [E_DATA]",
        "  searched /data",
        "  no network",
        "  -> put stl10_binary.tar.gz there",
        "Nothing was trained; the run's directory was removed. The same command starts it again.",
    ]
    assert runs_in(tmp_path) == []


def test_a_failure_before_the_first_step_leaves_no_run_behind(
    cli: Cli, trainer: Trainer, tmp_path: Path
) -> None:
    trainer("bad_images")  # met by the evaluation of the untrained encoder
    result = cli(*QUICK)
    assert result.exit_code == 1
    assert "wmse-tui: an image is smaller than the crop" in result.stderr
    assert "-> set dataset.eval_resize" in result.stderr
    assert result.stderr.endswith("the run's directory was removed. The same command starts it again.\n")
    assert runs_in(tmp_path) == []


def test_the_traceback_of_a_defect_survives_the_removed_run(
    cli: Cli, trainer: Trainer, tmp_path: Path
) -> None:
    trainer("defect")
    result = cli(*QUICK)
    assert runs_in(tmp_path) == []
    (crash,) = (tmp_path / "cache" / "crashes").iterdir()
    assert f"  -> the traceback is in {crash}; please attach it to a bug report\n" in result.stderr
    assert "trainer.log" not in result.stderr
    assert "Traceback: KeyError: 'x'" in crash.read_text()


def test_a_failure_before_training_is_in_the_json_summary(cli: Cli, trainer: Trainer, tmp_path: Path) -> None:
    trainer("no_data")
    summary = json.loads(cli(*QUICK, "--json").stdout.splitlines()[-1])
    assert summary["exit_code"] == 1
    assert summary["path"] is None
    assert summary["error"]["code"] == "E_DATA"
    assert runs_in(tmp_path) == []


def test_a_configuration_that_only_the_trainer_can_refuse_exits_with_2(cli: Cli, trainer: Trainer) -> None:
    trainer("bad_config")
    assert cli(*QUICK).exit_code == 2


def test_a_resumed_run_stays_when_it_fails_at_its_start(
    cli: Cli, trainer: Trainer, make_run: Callable[..., RunDirectory], tmp_path: Path
) -> None:
    make_run("mine", upto=0)
    trainer("no_data")
    assert cli("resume", "mine", "--headless").exit_code == 1
    assert runs_in(tmp_path) == ["mine"]


def test_a_killed_trainer_is_reported_with_its_last_output(cli: Cli, trainer: Trainer) -> None:
    trainer("killed")
    result = cli(*QUICK, "--name", "mine")
    assert result.exit_code == 1
    assert (
        "wmse-tui: the trainer ended without reporting why\n  Last event: epoch 1, step 4." in result.stderr
    )
    assert "Killed by SIGKILL (out of memory? see `dmesg`)." in result.stderr
    assert "| the last output \\x1b[31m" in result.stderr
    assert "Resume it: wmse-tui resume mine" in result.stderr


def test_a_full_disk_is_named_as_the_reason_of_a_missing_exit_event(
    cli: Cli, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    trainer("killed")
    monkeypatch.setattr("wmse_tui.runs.preflight.check_runs_dir", lambda root: "")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 4096))
    result = cli(*QUICK, "--name", "mine")
    assert "is full (4.1 kB left): it could not write the reason." in result.stderr
    assert "  -> free some space there" in result.stderr
    assert "dmesg" not in result.stderr


def test_a_trainer_that_cannot_start_is_reported_with_its_last_output(cli: Cli, trainer: Trainer) -> None:
    trainer("import")
    result = cli(*QUICK)
    assert result.exit_code == 1
    assert "Last event: before its first step" in result.stderr
    assert "| ModuleNotFoundError: No module named 'torch' \\x1b]0;title\\x07" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_run_that_another_process_trains_exits_with_73(cli: Cli, trainer: Trainer) -> None:
    trainer("busy")
    result = cli(*QUICK, "--name", "mine")
    assert result.exit_code == 73
    assert "Another process is training mine. Watch it: wmse-tui attach mine" in result.stderr


def test_the_same_name_and_configuration_report_a_completed_run(cli: Cli, trainer: Trainer) -> None:
    trainer("completes")
    cli(*QUICK, "--name", "mine")
    result = cli(*QUICK, "--name", "mine")
    assert result.exit_code == 0
    assert result.stderr == "mine has completed; there is nothing left to do.\n"
    assert result.stdout.startswith("result  5-NN 81.25 %")


def test_the_same_name_and_configuration_resume_an_unfinished_run(
    cli: Cli, trainer: Trainer, tmp_path: Path
) -> None:
    trainer("killed")
    cli(*QUICK, "--name", "mine")
    trainer("completes")
    result = cli(*QUICK, "--name", "mine", "--json")
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()[:-1]]
    assert {event["attempt"] for event in events} == {2}
    assert runs_in(tmp_path) == ["mine"]


def test_the_same_name_with_another_configuration_shows_the_difference(cli: Cli, trainer: Trainer) -> None:
    trainer("completes")
    cli(*QUICK, "--name", "mine")
    result = cli(*QUICK, "--name", "mine", "--set", "seed=7", "--set", "optimizer.lr=0.5")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0] == "wmse-tui: the run 'mine' exists with another configuration"
    assert "  seed: 0 there, 7 now" in lines
    assert any(line.startswith("  optimizer.lr: ") and line.endswith(" there, 0.5 now") for line in lines)
    assert lines[-2:] == [
        "  -> choose another --name",
        "  -> continue that run as it is: wmse-tui resume mine",
    ]


def test_resume_of_a_running_run_is_refused_with_73(
    cli: Cli, trainer: Trainer, make_run: Callable[..., RunDirectory]
) -> None:
    from wmse_tui.runs.process.identity import write_trainer
    from wmse_tui.runs.process.lock import RunLock

    run = make_run("mine", upto=-1)
    with RunLock(run):
        write_trainer(run, attempt=1)
        result = cli("resume", "mine")
        assert result.exit_code == 73
        assert result.stderr.startswith("wmse-tui: mine is ")
        assert "  -> watch it: wmse-tui attach mine\n" in result.stderr


def test_resume_gives_anew_what_binds_a_run_to_a_machine(cli: Cli, trainer: Trainer, tmp_path: Path) -> None:
    trainer("killed")
    cli(*QUICK, "--name", "mine")
    trainer("completes")
    refused = cli("resume", "mine", "--headless", "--set", "optimizer.lr=0.5")
    assert refused.exit_code == 2
    assert "optimizer.lr: is part of the run" in refused.stderr
    result = cli("resume", "mine", "--headless", "--set", f"dataset.root={tmp_path}")
    assert result.exit_code == 0
    assert f"root: {tmp_path}" in (tmp_path / "runs/mine/config.yaml").read_text(encoding="utf-8")


def test_resume_refuses_a_configuration(cli: Cli) -> None:
    result = cli("run", "--resume", "last", "--preset", "quickstart")
    assert result.exit_code == 2
    assert "A run's configuration is frozen when it starts." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("run",), ["run needs a configuration", "wmse-tui run --preset quickstart --headless"]),
        (("run", "--preset", "quickstrat"), ["there is no preset 'quickstrat'", "did you mean quickstart?"]),
        (("run", "--config", "missing.yaml"), ["missing.yaml", "cannot be read"]),
        (("run", "--preset", "stl10", "--config", "x.yaml"), ["exclude each other"]),
        (
            ("run", "--preset", "quickstart", "--set", "optimizer.lrr=1"),
            ["--set optimizer.lrr", "optimizer.lr"],
        ),
        (("run", "--preset", "quickstart", "--set", "seed"), ["expected key=value"]),
        (("run", "--preset", "quickstart", "--set", "schedule.batch_size=100"), ["schedule.batch_size"]),
        (("run", "--preset", "quickstart", "--set", "method.whitening_size=8"), ["cannot whiten"]),
        (("run", "--preset", "quickstart", "--name", "../up"), ["cannot name a run"]),
        (("run", "--preset", "quickstart", "--resum", "x"), ["No such option"]),
        (("run", "--preset", "quickstart", "--epochs", "3"), ["is set by --set schedule.epochs=VALUE"]),
        (("run", "quickstart"), ["--preset NAME"]),
        (("run", "--preset", "quickstart", "--set", "seed=1", "2"), ["--set KEY=VALUE"]),
        (("run", "--batch-size=8"), ["is set by --set schedule.batch_size=VALUE"]),
        (
            ("run", "--preset", "quickstart", "--set", "optimizer.learning_rate=1"),
            ["did you mean optimizer.lr?"],
        ),
        (("resume", "nothing"), ["there are no runs yet"]),
        (("resume", "/nowhere/at/all"), ["there is no such directory"]),
    ],
)
def test_wrong_arguments_are_errors_and_create_nothing(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], texts: list[str]
) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    for text in texts:
        assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert runs_in(tmp_path) == []


def test_a_bad_file_is_an_error_with_its_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("extends: quickstart\noptimizer:\n  name: adam\n  lr: fast\n")
    result = cli("run", "--config", str(file))
    assert result.exit_code == 2
    assert f"{file}:4: optimizer.lr" in result.stderr


def test_a_runs_folder_that_cannot_be_created_is_an_error_before_anything_is_created(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = cli(*QUICK, "--runs-dir", str(tmp_path / "file" / "runs"))
    assert result.exit_code == 2
    assert "the folder for runs cannot be made" in result.stderr
    assert "  -> put runs elsewhere: --runs-dir DIR" in result.stderr


@pytest.mark.parametrize(
    ("free", "code", "message"),
    [
        (50_000_000, 1, "the disk is full: 50.0 MB left for runs"),
        (700_000_000, 0, "note: only 700 MB are left"),
    ],
)
def test_little_disk_space_is_noted_and_a_full_disk_refused(
    cli: Cli, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, free: int, code: int, message: str
) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, free))
    trainer("completes")
    result = cli(*QUICK)
    assert result.exit_code == code
    assert message in result.stderr


def test_a_file_system_without_a_size_is_not_called_full(cli: Cli, tmp_path: Path) -> None:
    result = cli(*QUICK, "--runs-dir", "/proc/no-runs-here")
    assert result.exit_code != 0
    assert "/proc/no-runs-here" in result.stderr
    assert "full" not in result.stderr


def test_advice_is_printed_before_the_run_starts(cli: Cli, trainer: Trainer) -> None:
    trainer("completes")
    result = cli(*QUICK, "--set", "evaluation.knn=off", "--set", "evaluation.linear=off")
    assert "warning: evaluation.knn: nothing is evaluated" in result.stderr


def test_a_trainer_that_cannot_be_launched_leaves_no_run(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import functools

    from wmse_tui.runs.process.launch import launch_trainer

    broken = functools.partial(launch_trainer, python=tmp_path / "no-such-python")
    monkeypatch.setattr("wmse_tui.runs.process.launch.launch_trainer", broken)
    result = cli(*QUICK)
    assert result.exit_code == 1
    assert result.stderr.startswith("wmse-tui: the trainer cannot be started")
    assert runs_in(tmp_path) == []


def test_prepare_makes_the_directory_starts_nothing_and_finds_it_again(cli: Cli, tmp_path: Path) -> None:
    words = ("run", "--preset", "quickstart", "--name", "mine", "--prepare")
    for _ in range(2):
        result = cli(*words)
        assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'runs' / 'mine'}\n")
    assert not (tmp_path / "runs" / "mine" / "trainer.log").exists()
    other = cli(*words, "--set", "seed=9")
    assert other.exit_code == 2
    assert "seed" in other.stderr
    assert cli(*words, "--headless").exit_code == 2
