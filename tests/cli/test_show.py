"""`show` and `runs`: golden texts from a hand-made log, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from made_transfer import transfer_result
from typer.testing import Result

from wmse_tui.cli.follow.outcome import result_lines
from wmse_tui.cli.run_report import run_report
from wmse_tui.config.sections.paper import Paper
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import (
    Diagnostics,
    Error,
    Evaluation,
    KnnResult,
    NormImportance,
    NormWeights,
    Notice,
    Resources,
)
from wmse_tui.runs.state.to_json import state_to_json
from wmse_tui.runs.state.transfer_results import transfer_json
from wmse_tui.runs.state.watch import view_run

Cli = Callable[..., Result]
MakeRun = Callable[..., RunDirectory]

GOLDEN = """\
run         small
state       completed
title       A small run
config      w_mse with {arch} on patterns, batches of {batch}, 2 epochs, seed 0 (preset quickstart)
device      CPU, 2 threads (no CUDA: no card) on gpu-a
data        5000 images (train), loader batched
progress    epoch 2/2, step 8/8, loss 0.25, lr 0.003
time        started 2026-03-01 12:00:00, last event 2026-03-01 12:00:16, 1 attempt
path        {path}

epoch     k-NN   linear    top-5   pixels  splits
    0  31.00 %        -        -  28.00 %  train -> test (untrained)
    2  81.25 %  87.50 %  99.00 %        -  train -> test

paper       linear 91.55 % (here 87.50 %), 5-NN 89.69 % (here 81.25 %)
            Table 1
checkpoint  final.pt (final), epoch 2, 9.8 MB
note        5000 of 50000 images are used
"""


def test_a_finished_run_on_one_screen(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    (run.checkpoints / "final.pt").write_bytes(b"")
    about = view_run(run).summary
    assert cli("show", "small").stdout == GOLDEN.format(
        path=run.path, arch=about.arch, batch=about.batch_size
    )


def test_a_checkpoint_that_was_replaced_by_newer_ones_is_not_shown(cli: Cli, make_run: MakeRun) -> None:
    make_run()  # its log names a checkpoint that its folder does not have
    assert "final.pt" not in cli("show", "small").stdout


def test_only_the_newest_best_checkpoint_is_called_the_best(make_run: MakeRun) -> None:
    state = view_run(make_run())
    saved = state.checkpoints[-1]
    older = replace(saved, file="step-4.pt", step=4, epoch=1, kinds=("best",))
    newer = replace(saved, kinds=("final", "best"))
    text = run_report(replace(state, checkpoints=(older, newer)))
    assert "step-4.pt (was best), epoch 1" in text
    assert "final.pt (final, best), epoch 2" in text


def test_json_is_the_run_state(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    assert json.loads(cli("show", "last", "--json").stdout) == state_to_json(view_run(run))


def test_transfer_is_shown_with_its_checkpoint(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    values = transfer_json((transfer_result("patterns"),))
    saved = {"checkpoint": "best.pt", "time": "2026-01-02T03:04:05+00:00", "transfer": values}
    (run.evaluations / "best-1.json").write_text(json.dumps(saved))
    lines = cli("show", "last").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("transfer (%)"))
    assert lines[at + 1].split()[:3] == ["Patterns", "62.50", "59.4-65.6"]
    assert lines[at + 8] == "of best.pt, 2026-01-02T03:04:05+00:00"
    shown = json.loads(cli("show", "last", "--json").stdout)["transfer"]["patterns"]
    assert shown == {**values["patterns"], "checkpoint": "best.pt", "time": saved["time"]}


def test_the_verdict_on_the_embeddings_is_shown_with_advice(make_run: MakeRun) -> None:
    sample = Diagnostics(
        step=4,
        epoch=1,
        space="projector",
        samples=64,
        dim=32,
        spectrum=(),
        effective_rank=1.25,
        effective_rank_null=30.0,
        condition_number=1e8,
        smallest_pivot=0.5,
        feature_std=0.5,
        mean_correlation=0.75,
        seconds=0.1,
    )
    run = make_run()
    state = replace(view_run(run), diagnostics=(sample, sample, sample))
    lines = run_report(state).splitlines()
    verdict = "collapsed: the effective rank is 1.25, 4 % of that of noise: the embeddings lie on a line"
    index = lines.index(f"embeddings  {verdict}")
    assert lines[index + 1] == "            -> a lower optimizer.lr, or a longer schedule.warmup_steps"
    assert result_lines(run, state)[-3:-1] == [f"embeddings  {verdict}", lines[index + 1].strip()]


def test_the_load_of_the_machine_is_shown_for_an_active_run(make_run: MakeRun) -> None:
    used = Resources(
        step=1,
        gpu="NVIDIA H100",
        gpu_utilisation=0.974,
        gpu_memory=2.1e10,
        gpu_memory_total=8.5e10,
        gpu_temperature=61.0,
        gpu_power=512.5,
        cpu=1.25,
        cpu_count=16,
        memory=6.5e8,
    )
    state = replace(view_run(make_run(upto=9)), resource_rows=(used,), status="running")
    load = "GPU 97 %, GPU memory 21.0 GB of 85.0 GB, 61 °C, 512 W, 1.2 of 16 cores, memory 650 MB"
    assert f"load        {load}" in run_report(state).splitlines()
    assert "load        memory 1.0 kB" in run_report(
        replace(state, resource_rows=(Resources(step=1, memory=1000.0),))
    )
    assert "\nload" not in run_report(replace(state, status="completed"))


def test_an_interrupted_run_shows_how_to_resume_it_and_that_its_number_is_not_comparable(
    make_run: MakeRun,
) -> None:
    run = make_run(upto=9)
    state = view_run(run)
    evaluation = Evaluation(
        epoch=1, step=4, knn=KnnResult(0.5, 5, "euclidean"), train_split="a", test_split="b", seconds=1.0
    )
    state = replace(state, evaluations=(*state.evaluations, evaluation))
    lines = run_report(state, Paper(linear=None, knn=89.69, source="Table 2")).splitlines()
    assert lines[1].startswith("state       crashed")
    assert "paper       linear - (here -), 5-NN 89.69 % (here 50.00 %)" in lines
    assert "            not comparable yet: epoch 1 of 2" in lines
    assert lines[-1] == "resume      wmse-tui resume small"


def test_an_error_is_shown_with_what_is_saved_and_what_to_do(make_run: MakeRun) -> None:
    error = Error(
        code="E_WHITENING",
        title="a slice has no Cholesky factor",
        detail="128 samples\n64 dimensions",
        saved="checkpoint step-4.pt",
        next=("a larger whitening size", "a lower learning rate"),
        stage="training",
    )
    state = replace(view_run(make_run()), error=error, status="diverged")
    assert run_report(state).splitlines()[-7:] == [
        "error       a slice has no Cholesky factor [E_WHITENING]",
        "            128 samples",
        "            64 dimensions",
        "saved       checkpoint step-4.pt",
        "            -> a larger whitening size",
        "            -> a lower learning rate",
        "resume      wmse-tui resume small",
    ]


def test_of_many_evaluations_the_first_and_the_newest_are_shown(make_run: MakeRun) -> None:
    state = view_run(make_run())
    many = tuple(replace(state.evaluations[0], epoch=n) for n in range(40))
    rows = [
        line.split()[0] for line in run_report(replace(state, evaluations=many)).split("\n\n")[1].splitlines()
    ]
    assert rows == ["epoch", "0", "...", *(str(n) for n in range(29, 40))]


def test_nothing_in_a_log_can_control_the_terminal(make_run: MakeRun) -> None:
    notice = Notice("warning", "W", "class \x1b]52;c;eA==\x07 \x9b31m \u202e")
    text = run_report(replace(view_run(make_run()), notices=(notice,), status_reason="\x1b[2J"))
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


def test_a_run_whose_configuration_is_damaged_can_still_be_shown(cli: Cli, make_run: MakeRun) -> None:
    run = make_run()
    run.config.write_text("optimizer: [")
    result = cli("show", "small")
    assert result.exit_code == 0
    assert "config      config.yaml cannot be read" in result.stdout
    assert "epoch 2/2" in result.stdout


def test_the_list_shows_the_newest_first(cli: Cli, make_run: MakeRun) -> None:
    import os

    for index, name in enumerate(("older", "newer")):
        run = make_run(name, upto=None if name == "older" else 9)
        os.utime(run.config, (1_772_000_000 + index, 1_772_000_000 + index))
    lines = cli("runs").stdout.splitlines()
    assert lines == [
        "run    state      epoch  best k-NN  best linear  last event        title",
        "newer  crashed      1/2          -            -  2026-03-01 12:00  A small run",
        "older  completed    2/2    81.25 %      87.50 %  2026-03-01 12:00  A small run",
    ]
    listed = json.loads(cli("runs", "--json").stdout)
    assert [(run["run_id"], run["state"], run["best_linear"]) for run in listed] == [
        ("newer", "crashed", None),
        ("older", "completed", 0.875),
    ]


def test_a_log_that_cannot_be_read_hides_no_other_run(cli: Cli, make_run: MakeRun) -> None:
    make_run("good")
    bad = make_run("bad")
    bad.events.unlink()
    bad.events.mkdir()
    for _ in range(2):
        result = cli("runs")
        assert result.exit_code == 0
        assert [line.split()[0] for line in result.stdout.splitlines()] == ["run", "good"]
        assert result.stderr.startswith(f"bad: cannot read the run's log: {bad.events}")
    assert [run["run_id"] for run in json.loads(cli("runs", "--json").stdout)] == ["good"]


def test_an_empty_list_names_the_command_that_starts_a_run(cli: Cli) -> None:
    result = cli("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "wmse-tui run --preset quickstart --headless" in result.stderr
    assert cli("runs", "--json").stdout == "[]\n"


@pytest.mark.parametrize("command", ["show", "logs", "attach", "stop", "resume", "rm", "eval", "neighbours"])
def test_a_missing_run_is_an_error_with_the_nearest_name(cli: Cli, make_run: MakeRun, command: str) -> None:
    make_run("stl10-a")
    result = cli(command, "stl10-b")
    assert result.exit_code == 2
    assert result.stderr.startswith("wmse-tui: there is no run 'stl10-b'\n  searched ")
    assert "  -> did you mean stl10-a?\n" in result.stderr


def test_an_ambiguous_beginning_lists_what_it_could_mean(cli: Cli, make_run: MakeRun) -> None:
    make_run("stl10-a")
    make_run("stl10-b")
    result = cli("show", "stl10")
    assert result.exit_code == 2
    assert "stl10-a" in result.stderr
    assert "stl10-b" in result.stderr


def test_a_run_may_be_a_path_or_in_another_folder(cli: Cli, make_run: MakeRun, tmp_path: object) -> None:
    run = make_run()
    elsewhere = run.path.parent.rename(run.path.parent.with_name("elsewhere"))
    assert cli("show", str(elsewhere / "small")).exit_code == 0
    assert cli("show", "small").exit_code == 2
    assert cli("show", "small", "--runs-dir", str(elsewhere)).exit_code == 0


def test_diagnostics_are_shown_beside_those_of_noise_and_the_weights_of_norms_too(make_run: MakeRun) -> None:
    sample = Diagnostics(
        step=4,
        epoch=1,
        space="features",
        samples=64,
        dim=32,
        spectrum=(),
        effective_rank=20.0,
        effective_rank_null=30.0,
        condition_number=10.0,
        smallest_pivot=None,
        feature_std=0.5,
        mean_correlation=0.25,
        seconds=0.1,
        rankme=25.5,
        alignment=0.5,
        nulls=(("rankme", 31.0), ("mean_correlation", 0.1)),
    )
    layer = NormImportance("bn1", ("BW", "IW"), (0.25, 0.75), (0.6, 0.4))
    weights = NormWeights(step=4, epoch=1, layers=(layer,))
    lines = run_report(
        replace(view_run(make_run()), diagnostics=(sample,), norm_weights=weights)
    ).splitlines()
    numbers = "RankMe 25.5 (noise 31), mean correlation 0.25 (noise 0.1), alignment 0.5"
    assert f"            features, step 4: {numbers}" in lines
    assert "norm        bn1: BW 0.25/0.60, IW 0.75/0.40 (weight of means/covariances)" in lines
