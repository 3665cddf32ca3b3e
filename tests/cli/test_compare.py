"""`compare` and `tag`: several runs side by side, and the tags and note of one."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_transfer import save_transfer, transfer_result
from typer.testing import Result

from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory

Cli = Callable[..., Result]
MakeRun = Callable[..., RunDirectory]


def change(run: RunDirectory, before: str, after: str) -> RunDirectory:
    """The run with another value in its configuration."""
    text = run.config.read_text()
    assert before in text
    run.config.write_text(text.replace(before, after))
    return run


def begun_later(run: RunDirectory) -> RunDirectory:
    """The run as if it had been trained an hour later: with an equal log it would be a copy."""
    run.events.write_text(
        re.sub(r'"t":([\d.]+)', lambda found: f'"t":{float(found[1]) + 3600}', run.events.read_text())
    )
    return run


@pytest.fixture
def pair(make_run: MakeRun) -> tuple[RunDirectory, RunDirectory]:
    return make_run("one"), begun_later(change(make_run("two"), "seed: 0", "seed: 5"))


def test_runs_are_compared_in_a_table(cli: Cli, pair: tuple[RunDirectory, ...]) -> None:
    result = cli("compare", "one", "two")
    assert result.exit_code == 0
    results = (
        "completed  2/2    87.50 %  81.25 %  87.50 %      81.25 %    16 s  1822 images/s  CPU, 2 threads"
    )
    assert result.stdout.splitlines() == [
        "run  state      epoch  linear   k-NN     best linear  best k-NN  time  speed          device",
        f"one  {results}",
        f"two  {results}",
        "",
        "option  one  two",
        "seed    0    5",
        "",
        "repetitions  seeds  completed  linear          k-NN",
        "one, two     0, 5   2 of 2     87.50 ± 0.00 %  81.25 ± 0.00 %",
    ]
    assert result.stderr == ""


def test_copies_of_a_run_are_not_repetitions(
    cli: Cli, pair: tuple[RunDirectory, ...], tmp_path: Path
) -> None:
    root = pair[0].path.parent
    shutil.copytree(pair[0].path, root / "copy")
    change(RunDirectory(shutil.copytree(pair[0].path, root / "renamed")), "seed: 0", "seed: 9")
    lines = cli("compare", "one", "copy", "renamed").stdout.splitlines()
    assert lines[-2].split()[-7:] == ["1", "of", "3", "87.50", "%", "81.25", "%"]
    assert lines[-1] == "not counted, because they are copies of others: copy, renamed"
    assert "2 of 4     87.50 ± 0.00 %" in cli("compare", "one", "copy", "two", "renamed").stdout
    changed = RunDirectory(shutil.copytree(pair[0].path, root / "changed"))
    for accuracy in ("0.9", "7.3"):
        text = re.sub(r'"top1":[\d.]+', f'"top1":{accuracy}', changed.events.read_text())
        changed.events.write_text(text)
        assert "copies of others: changed" in cli("compare", "one", "changed").stdout
    groups = json.loads(cli("compare", "one", "copy", "--format", "json").stdout)["groups"]
    assert [(group["completed"], group["copies"], group["final_knn"]["n"]) for group in groups] == [
        (["one"], ["copy"], 1)
    ]


def test_a_run_named_twice_is_compared_once(cli: Cli, make_run: MakeRun) -> None:
    make_run("one")
    assert len(cli("compare", "one", "last", "on").stdout.splitlines()) == 2


def test_a_broken_configuration_does_not_hide_the_others(cli: Cli, pair: tuple[RunDirectory, ...]) -> None:
    change(pair[1], "seed: 5", "seed: \x1b[31m-1")
    result = cli("compare", "one", "two")
    assert result.exit_code == 0
    assert "two: its configuration cannot be compared: config.yaml" in result.stdout
    assert result.stdout.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("csv", "row,group,n,run,title,"),
        ("markdown", "| run | state | seed |"),
        ("latex", "% \\usepackage{booktabs}"),
        ("json", "{"),
    ],
)
def test_the_formats_go_to_stdout(cli: Cli, pair: tuple[RunDirectory, ...], form: str, first: str) -> None:
    result = cli("compare", "one", "two", "--format", form)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(first)


def test_programs_get_fractions(cli: Cli, pair: tuple[RunDirectory, ...]) -> None:
    values = json.loads(cli("compare", "one", "two", "-f", "json").stdout)
    assert [run["final_knn"] for run in values["runs"]] == [0.8125, 0.8125]
    rows = list(csv.DictReader(io.StringIO(cli("compare", "one", "two", "-f", "csv").stdout, newline="")))
    assert [row["final_knn_fraction"] for row in rows] == ["0.8125", "0.8125", "0.8125", "0"]


def test_transfer_is_compared_in_every_format(cli: Cli, pair: tuple[RunDirectory, ...]) -> None:
    first, second = pair
    save_transfer(first, transfer_result("patterns", 0.75), transfer_result("/my/plants", 0.5))
    save_transfer(second, transfer_result("patterns", 0.73))
    names = [run.id for run in pair]
    table = cli("compare", *names).stdout.splitlines()
    at = next(number for number, line in enumerate(table) if line.startswith("transfer (%)"))
    assert [line.split() for line in table[at : at + 3]] == [
        ["transfer", "(%)", "Plants", "Patterns"],
        [first.id, "50.00", "best", "75.00"],
        [second.id, "-", "tie", "73.00"],
    ]
    (a, b, *_) = csv.DictReader(io.StringIO(cli("compare", *names, "-f", "csv").stdout))
    assert [row["transfer./my/plants_fraction"] for row in (a, b)] == ["0.5", ""]
    assert [row["transfer.patterns_fraction"] for row in (a, b)] == ["0.75", "0.73"]
    found = json.loads(cli("compare", *names, "-f", "json").stdout)["transfer"]
    assert [column["set"] for column in found] == ["/my/plants", "patterns"]
    assert [cell["rank"] for cell in found[1]["cells"]] == ["best", "tie"]
    markdown = cli("compare", *names, "-f", "markdown").stdout
    assert "75.00 (best)" in markdown
    assert "73.00 (tie)" in markdown


def test_a_file_is_written_and_replaced_only_with_force(
    cli: Cli, pair: tuple[RunDirectory, ...], tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    result = cli("compare", "one", "two", "-f", "csv", "-o", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"written: {path}\n")
    assert path.read_bytes().count(b"\r\n") == 5
    path.write_text("precious")
    refused = cli("compare", "one", "-o", str(path))
    assert refused.exit_code == 2
    assert refused.stderr == (
        "wmse-tui: there is a file of that name already\n"
        f"  {path}\n  -> choose another name\n  -> replace it: --force\n"
    )
    assert path.read_text() == "precious"
    assert cli("compare", "one", "-o", str(path), "--force").exit_code == 0
    assert path.read_text().startswith("run  state")


def test_a_path_that_cannot_be_written_is_an_error(cli: Cli, make_run: MakeRun, tmp_path: Path) -> None:
    make_run("one")
    nowhere = cli("compare", "one", "-o", str(tmp_path / "no" / "file"))
    assert nowhere.exit_code == 1
    assert nowhere.stderr == f"wmse-tui: cannot write the file\n  there is no folder {tmp_path / 'no'}\n"
    folder = cli("compare", "one", "-o", str(tmp_path), "--force")
    assert folder.stderr == f"wmse-tui: cannot write the file\n  {tmp_path}: Is a directory\n"


def test_an_unknown_run_is_an_error(cli: Cli, make_run: MakeRun) -> None:
    make_run("one")
    result = cli("compare", "one", "thre")
    assert result.exit_code == 2
    assert "there is no run 'thre'" in result.stderr


def test_tags_and_a_note_are_stored_and_printed(cli: Cli, make_run: MakeRun) -> None:
    run = make_run("one")
    assert cli("tag", "one").stdout == ""
    assert (
        cli("tag", "one", "+paper", "seed/1", "--note", "two\nlines").stdout == "paper seed/1\ntwo\nlines\n"
    )
    assert read_annotations(run) == Annotations(("paper", "seed/1"), "two\nlines")
    assert cli("tag", "one", "--remove", "paper").stdout == "seed/1\ntwo\nlines\n"
    assert cli("tag", "one", "--remove", "seed/1", "--note", "").stdout == ""
    assert read_annotations(run) == Annotations()


def test_an_invalid_tag_is_refused_with_the_rule(cli: Cli, make_run: MakeRun) -> None:
    run = make_run("one")
    result = cli("tag", "one", "good", "two words")
    assert result.exit_code == 2
    assert "'two words' cannot be a tag\n  a tag has 1 to 32 letters" in result.stderr
    assert read_annotations(run) == Annotations()


def test_a_tag_that_is_not_there_cannot_be_removed(cli: Cli, make_run: MakeRun) -> None:
    make_run("one")
    cli("tag", "one", "a", "b")
    result = cli("tag", "one", "--remove", "c")
    assert result.exit_code == 2
    assert result.stderr == "wmse-tui: one has no tag 'c'\n  It has: a, b.\n"


def test_a_note_that_is_too_long_is_refused(cli: Cli, make_run: MakeRun) -> None:
    run = make_run("one")
    result = cli("tag", "one", "--note", "n" * 2001)
    assert result.exit_code == 2
    assert "2001 characters; at most 2000 are allowed." in result.stderr
    assert not run.annotations.exists()


def test_damaged_annotations_are_reported_and_replaced(cli: Cli, make_run: MakeRun) -> None:
    run = make_run("one")
    run.annotations.write_text("{")
    assert cli("tag", "one").stderr == "note: annotations.json is damaged\n"
    assert cli("tag", "one", "a").stderr == "note: annotations.json is damaged; it is replaced\n"
    assert read_annotations(run) == Annotations(("a",))
