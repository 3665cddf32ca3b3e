"""The small commands: logs, rm, stop of inactive runs, attach, presets, config, --version."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from wmse_tui import __version__
from wmse_tui.cli.arguments import Overrides, PresetArgument
from wmse_tui.cli.main import main
from wmse_tui.cli.table_text import aligned, fitted
from wmse_tui.config.loading import find_preset, parse_experiment, preset_names
from wmse_tui.runs.annotations import Annotations, write_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import RunLock

Cli = Callable[..., Result]
MakeRun = Callable[..., RunDirectory]


def test_version(cli: Cli) -> None:
    assert cli("--version").stdout == f"wmse-tui {__version__}\n"


def test_logs_are_printed_without_what_could_control_the_terminal(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    run.trainer_log.write_bytes(b"one\n\x1b[31mred\x1b[0m \xff\n 10%\r 20%\r100%\nno newline")
    result = cli("logs", "--raw", "small")
    assert result.exit_code == 0
    assert result.stdout == "one\n\\x1b[31mred\\x1b[0m \ufffd\n100%\nno newline\n"


def test_following_the_logs_ends_with_the_run(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    run.trainer_log.write_text("the end\n")
    assert cli("logs", "--raw", "small", "-f").stdout == "the end\n"


def test_a_run_without_output_gets_a_message_on_stderr(cli: Cli, make_run: MakeRun) -> None:
    make_run()
    result = cli("logs", "--raw", "small")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "The trainer has printed nothing. See the run: wmse-tui show small\n"


def test_rm_removes_a_run(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    result = cli("rm", "small", "--yes")
    assert result.exit_code == 0
    assert result.stderr.startswith("removed small (")
    assert not run.path.exists()


def test_rm_needs_a_confirmation(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    result = cli("rm", "small")
    assert result.exit_code == 2
    assert "  -> confirm it: --yes\n" in result.stderr
    assert run.path.exists()


def test_rm_refuses_a_run_that_is_being_trained(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    with RunLock(run):
        result = cli("rm", "small", "--yes")
    assert result.exit_code == 73
    assert "-> end it: wmse-tui stop small\n" in result.stderr
    assert run.path.exists()


def test_stop_of_an_inactive_run_prints_its_status(cli: Cli, make_run: MakeRun) -> None:
    make_run()
    result = cli("stop", "small")
    assert result.exit_code == 0
    assert result.stderr == "small is not running: completed.\n"


def test_stop_can_return_without_waiting(cli: Cli, make_run: MakeRun) -> None:
    run = make_run(upto=9)
    with RunLock(run):
        result = cli("stop", "small", "--after-epoch", "--no-wait")
    assert result.exit_code == 0
    assert result.stderr == "small: stop requested, after its current epoch\n"
    (file,) = run.control.glob("*.json")
    assert json.loads(file.read_text())["command"] == "stop_after_epoch"


def test_attach_to_an_ended_run_shows_it_and_exits_with_its_code(cli: Cli, make_run: MakeRun) -> None:
    make_run()
    result = cli("attach", "small")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-3].startswith("result  5-NN 81.25 %")
    assert result.stdout.splitlines()[-2] == "untrained  5-NN 31.00 %, raw pixels 28.00 %"


def test_attach_to_a_crashed_run_reports_that_and_how_to_resume_it(cli: Cli, make_run: MakeRun) -> None:
    make_run(upto=9)
    result = cli("attach", "small")
    assert result.exit_code == 1
    assert "the trainer ended without reporting why" in result.stderr
    assert "Resume it: wmse-tui resume small" in result.stderr


def test_attach_to_a_run_that_never_started_is_an_error(cli: Cli, make_run: MakeRun) -> None:
    make_run(upto=0)
    result = cli("attach", "small")
    assert result.exit_code == 1
    assert result.stderr.startswith("wmse-tui: small was never started")


@pytest.mark.parametrize("arguments", [("presets",), ("presets", "list")])
def test_presets_are_listed_with_their_published_numbers(cli: Cli, arguments: tuple[str, ...]) -> None:
    heading, *rows = cli(*arguments).stdout.splitlines()
    assert heading.split() == ["name", "linear", "5-NN", "title"]
    assert [row.split()[0] for row in rows] == list(preset_names())
    stl10 = next(row for row in rows if row.split()[0] == "stl10")
    paper = find_preset("stl10").experiment.paper
    assert paper is not None
    assert stl10.split()[1:3] == [f"{paper.linear:.2f}", f"{paper.knn:.2f}"]
    unverified = [row.split()[:3] for row in rows if row.endswith("(its published number is unverified)")]
    assert unverified == [[name, "-", "-"] for name in ("imagenet100", "imagenet100-wmse4", "stl10-wmse4")]


def test_presets_as_json(cli: Cli) -> None:
    listed = json.loads(cli("presets", "--json").stdout)
    assert listed == json.loads(cli("presets", "list", "--json").stdout)
    assert [preset["name"] for preset in listed] == list(preset_names())
    assert {preset["origin"] for preset in listed} == {"shipped"}


def test_a_broken_preset_of_the_user_is_listed_with_its_problem(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("optimizer: {lrr: 1}\n")
    result = cli("presets")
    assert result.exit_code == 0
    (row,) = (row for row in result.stdout.splitlines() if row.startswith("mine "))
    assert "optimizer.lrr" in row


def test_a_preset_is_shown_complete(cli: Cli) -> None:
    text = cli("presets", "show", "stl10-wmse4").stdout
    assert parse_experiment(text, "shown") == find_preset("stl10-wmse4").experiment
    as_json = json.loads(cli("presets", "show", "stl10-wmse4", "--json").stdout)
    assert as_json["augmentation"]["views"] == 4


def test_an_unknown_preset_is_an_error_with_the_nearest_name(cli: Cli) -> None:
    result = cli("presets", "show", "cifar01")
    assert result.exit_code == 2
    assert "did you mean cifar10?" in result.stderr


def test_the_schema_is_json_with_every_section(cli: Cli) -> None:
    schema = json.loads(cli("config", "schema").stdout)
    assert {"dataset", "method", "optimizer", "schedule"} <= set(schema["properties"])


def test_valid_files_are_reported_as_valid(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text("extends: quickstart\nseed: 3\n")
    result = cli("config", "validate", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{file}: valid\n")


def test_all_problems_of_all_files_are_printed(cli: Cli, tmp_path: Path) -> None:
    files = []
    for name, text in (
        ("a.yaml", "extends: quickstart\nsed: 3\n"),
        ("b.yaml", "extends: quickstart\nschedule: {epochs: 0}\noptimizer: {lr: x}\n"),
        ("c.yaml", "extends: quickstart\n"),
    ):
        (tmp_path / name).write_text(text)
        files.append(str(tmp_path / name))
    result = cli("config", "validate", *files)
    assert result.exit_code == 2
    assert result.stdout == f"{files[2]}: valid\n"
    assert f"{files[0]}:2: sed" in result.stderr
    assert f"{files[1]}:2: schedule.epochs" in result.stderr
    assert f"{files[1]}:3: optimizer.lr" in result.stderr


def test_no_description_in_a_list_of_commands_is_cut_off(cli: Cli) -> None:
    for arguments in ((), ("config",), ("presets",), ("queue",)):
        assert (
            "..." not in cli(*arguments, "--help").stdout.partition("Commands:")[2].partition("Exit codes")[0]
        )


def test_help_lists_every_exit_code(cli: Cli) -> None:
    text = cli("--help").stdout
    for number in ("0", "1", "2", "3", "4", "73", "130", "143"):
        assert any(line.split()[:1] == [number] for line in text.splitlines())


@pytest.mark.parametrize("words", [[], ["run"], ["queue"], ["queue", "again"]])
def test_help_survives_an_interpreter_that_drops_docstrings(words: list[str]) -> None:
    plain, stripped = (
        subprocess.check_output(
            [sys.executable, *options, "-m", "wmse_tui", *words, "--help"], text=True, timeout=60
        )
        for options in ([], ["-OO"])
    )
    assert stripped == plain


def test_logs_print_what_happened(cli: Cli, make_run: MakeRun) -> None:
    make_run()
    lines = cli("logs", "small").stdout.splitlines()
    assert any("  epoch " in line for line in lines)
    assert any("  evaluation " in line for line in lines)
    assert "  completed  " in lines[-1]
    assert cli("logs", "small", "--follow").stdout.splitlines() == lines


def test_several_runs_are_removed_or_none(cli: Cli, make_run: MakeRun) -> None:
    first, second = make_run("first"), make_run("second")
    with RunLock(second):
        assert cli("rm", "first", "second", "--yes").exit_code == 73
    assert first.path.exists()
    result = cli("rm", "first", "second", "first", "--yes")
    assert result.exit_code == 0
    assert result.stderr.count("removed ") == 2
    assert not first.path.exists()
    assert not second.path.exists()


def test_several_runs_are_stopped_and_tagged(cli: Cli, make_run: MakeRun) -> None:
    make_run("first")
    make_run("second")
    result = cli("stop", "first", "second")
    assert result.exit_code == 0
    assert result.stderr == "first is not running: completed.\nsecond is not running: completed.\n"
    assert cli("tag", "first,second", "base").stdout == "base\nbase\n"


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (("--state", "done"), ["b", "a"]),
        (("--state", "active"), []),
        (("--tag", "base"), ["a"]),
        (("--sort", "run"), ["a", "b"]),
        (("--sort", "-run", "--limit", "1"), ["b"]),
    ],
)
def test_runs_are_filtered_sorted_and_limited(
    cli: Cli, make_run: MakeRun, arguments: tuple[str, ...], ids: list[str]
) -> None:
    for number, name in enumerate("ab"):
        run = make_run(name)
        os.utime(run.config, (1000 + number, 1000 + number))
    cli("tag", "a", "base")
    assert [run["run_id"] for run in json.loads(cli("runs", "--json", *arguments).stdout)] == ids
    lines = cli("runs", *arguments, "--columns", "run,knn,seed").stdout.splitlines()
    assert [line.split()[0] for line in lines] == (["run", *ids] if ids else [])
    if ids:
        assert lines[0].split() == ["run", "k-NN", "seed"]


def test_any_option_and_result_is_a_column_of_the_runs(cli: Cli, make_run: MakeRun) -> None:
    make_run("a")
    columns = "run,method.whitening_size,best_knn_epoch"
    heading, row = cli("runs", "--columns", columns, "--sort", "-schedule.batch_size").stdout.splitlines()
    assert heading.split() == columns.split(",")
    assert row.split() == ["a", "64", "2"]


@pytest.mark.parametrize("arguments", [("--state", "rnning"), ("--columns", "runn"), ("--sort", "-knnn")])
def test_a_state_or_column_that_there_is_not_is_named(
    cli: Cli, make_run: MakeRun, arguments: tuple[str, ...]
) -> None:
    make_run()
    result = cli("runs", *arguments)
    assert result.exit_code == 2
    assert "known: " in result.stderr
    assert "did you mean" in result.stderr


def test_a_table_fits_the_terminal_and_one_long_name_moves_no_column() -> None:
    rows = [("run", "state", "title"), ("n" * 150, "running", "t" * 80), ("b", "new", "short")]
    for width in (60, 80, 100):
        lines = fitted(rows, most=width)
        assert max(map(len, lines)) <= width
        assert (
            len({line.find(word) for line, word in zip(lines, ("state", "running", "new"), strict=True)}) == 1
        )
        assert "n…n" in lines[1]
    assert fitted(rows) == aligned(rows)


def test_options_and_their_choices_are_completed() -> None:
    complete = Overrides.__metadata__[0].autocompletion  # type: ignore[attr-defined]
    assert "optimizer.lr=" in complete("opt")
    assert "method.name=byol" in complete("method.name=b")
    assert complete("method.normalize=") == ["method.normalize=true", "method.normalize=false"]
    assert complete("no.such") == []
    assert "stl10" in PresetArgument.__metadata__[0].autocompletion("stl")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("run --set optimizer.l", {"optimizer.lr=", "optimizer.lr=0.003"}),  # so that no space is added
        ("run --set method.name=", {"w_mse", "byol"}),
        ("run --set method.name=w_", {"w_mse"}),
        ("run --set=method.name=w_", {"w_mse"}),
        ("run --sweep method.name=byol,w_", {"byol,w_mse"}),
        ("presets show st", {"stl10"}),
        ("show a", {"a-run"}),
        ("stop a-run a", {"a-run"}),
        ("tag a-run,a", {"a-run,a-run"}),
        ("tag a-run b", {"base"}),
        ("runs --tag b", {"base"}),
        ("runs --state com", {"completed"}),
        ("runs --sort kn", {"knn"}),
        ("runs --columns run,kn", {"run,knn"}),
    ],
)
def test_bash_completes_a_line(
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    line: str,
    offers: set[str],
) -> None:
    write_annotations(make_run("a-run"), Annotations(("base",)))
    words = ["wmse-tui", *re.split(r"(=)| ", line)]
    words = [word for word in words[:-1] if word] + words[-1:]  # as bash cuts it
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_WMSE_TUI_COMPLETE", "complete_bash")
    monkeypatch.setattr(sys, "argv", ["wmse-tui"])
    with pytest.raises(SystemExit):
        main()
    assert offers <= set(capfd.readouterr().out.splitlines())
