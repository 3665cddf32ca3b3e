"""Comparisons as files: the very bytes of each format, and text that stays text in its reader."""

from __future__ import annotations

import csv
import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest
from comparisons import COMPARISON, WICKED, like_a, only

from wmse_tui.runs.errors import OutputExists, StorageError
from wmse_tui.runs.output import write_output
from wmse_tui.runs.state.curves import Curve
from wmse_tui.runs.table.compare import Comparison, Difference, Setting
from wmse_tui.runs.table.comparison_file import (
    curves_csv,
    to_csv,
    to_json,
    to_markdown,
)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_row_for_each_run_and_the_mean_and_deviation_of_repetitions() -> None:
    text = to_csv(COMPARISON)
    assert text.endswith("\r\n")
    assert text.count("\r\n") == 1 + 3 + 2
    a, b, c, mean, std = rows(text)
    assert (a["row"], a["group"], a["n"], a["run"]) == ("run", "1", "", "a_1")
    assert (a["final_knn_fraction"], a["final_linear_fraction"], a["elapsed_seconds"]) == (
        "0.8",
        "0.9",
        "4523.4",
    )
    assert (b["group"], b["final_linear_fraction"]) == ("1", "")
    assert (c["group"], c["state"], c["epoch"], c["elapsed_seconds"]) == ("2", "running", "1", "")
    assert (mean["row"], mean["group"], mean["n"], mean["run"], mean["seed"]) == ("mean", "1", "2", "", "")
    assert (mean["final_knn_fraction"], mean["final_linear_fraction"]) == ("0.805", "0.9")
    assert (std["row"], std["final_knn_fraction"], std["final_linear_fraction"]) == ("std", "0.00707", "")


def test_csv_has_the_options_that_differ() -> None:
    a, _, c, mean, _ = rows(to_csv(COMPARISON))
    assert (a["config.seed"], a["config.optimizer.lr"], a["config.method.whitening_size"]) == (
        "0",
        "0.003",
        "128",
    )
    assert (c["config.optimizer.lr"], c["config.method.whitening_size"]) == ("1e-06", "")
    assert (mean["config.optimizer.lr"], mean[next(reversed(mean))]) == ("", "")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\n-2", "＝1"])
def test_what_a_spreadsheet_would_compute_gets_an_apostrophe(start: str) -> None:
    (row,) = rows(to_csv(only(like_a(title=start))))
    assert row["title"].startswith("'")


def test_numbers_stay_numbers_and_text_in_csv_is_quoted() -> None:
    settings = (Setting("set", -0.5),)
    shown = Comparison((like_a(title='a "b", c', loss=-2.5e-7),), (Difference("x", "", "", settings),), ())
    text = to_csv(shown)
    assert '"a ""b"", c"' in text
    (row,) = rows(text)
    assert (row["title"], row["loss"], row["config.x"]) == ('a "b", c', "-2.5e-07", "-0.5")


def test_text_in_csv_keeps_to_its_line_and_holds_no_control_characters() -> None:
    text = to_csv(only(like_a(title=WICKED)))
    assert text.count("\r\n") == 2
    assert text.replace("\r\n", "").isprintable()


def test_json_is_everything_as_plain_values() -> None:
    values = json.loads(to_json(COMPARISON))
    assert values["units"] == {"accuracies": "fractions in [0, 1]", "times": "seconds"}
    assert [run["run_id"] for run in values["runs"]] == ["a_1", "b", "c"]
    assert values["runs"][0]["final_knn"] == 0.8
    assert values["differences"][1] == {
        "key": "method.whitening_size",
        "title": "",
        "unit": "",
        "settings": [
            {"state": "set", "value": 128},
            {"state": "set", "value": 128},
            {"state": "absent", "value": None},
        ],
    }
    assert values["groups"][0]["final_knn"] == {"n": 2, "mean": 0.805, "std": 0.00707}
    assert to_json(only(like_a(title=WICKED))).replace("\n", "").isprintable()


def test_markdown_is_three_tables_in_percent() -> None:
    assert to_markdown(COMPARISON) == (
        "| run | state | seed | epoch | linear (%) | k-NN (%) | best linear (%) | best k-NN (%) | time "
        "| images/s | device |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| a\\_1 | completed | 0 | 2/2 | 90.00 | 80.00 | 90.00 | 85.00 | 4523 s (1 h 15 min) | 1840 | CPU |\n"
        "| b | completed | 1 | 2/2 | - | 81.00 | - | 85.00 | 4523 s (1 h 15 min) | 1840 | CPU |\n"
        "| c | running | 0 | 1/2 | - | 80.00 | 90.00 | 85.00 | - | 1840 | CPU |\n"
        "\n"
        "Options that differ:\n"
        "\n"
        "| option | a\\_1 | b | c |\n"
        "| --- | --- | --- | --- |\n"
        "| seed | 0 | 1 | 0 |\n"
        "| method.whitening\\_size | 128 | 128 | - |\n"
        "| optimizer.lr | 0.003 | 0.003 | 1e-06 |\n"
        "\n"
        "Mean and sample standard deviation over the completed runs that differ in the seed only:\n"
        "\n"
        "| repetitions | seeds | completed | linear (%) | k-NN (%) |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| a\\_1, b | 0, 1 | 2 of 2 | 90.00 | 80.50 ± 0.71 |\n"
    )


def test_markdown_cells_hold_no_markup() -> None:
    line = to_markdown(only(like_a(device=WICKED))).splitlines()[2]
    cell = line.split("1840 | ")[1]
    assert cell == r'=HYPERLINK("x")\|\`a\` \\x1b\[31m\\u202e \$1\_{\\#%\&\~^\<b\>} |'


def test_curves_are_written_point_by_point() -> None:
    curves = [
        Curve(label="a", x=(0.5, 1.0), y=(2.0, 1.5)),
        Curve(label="-b", x=(1.0,), y=(1e-12,), marks=(3.0,)),
    ]
    assert curves_csv({"loss": curves}, axis="epoch") == (
        "run,quantity,axis,x,y\r\na,loss,epoch,0.5,2\r\na,loss,epoch,1,1.5\r\n'-b,loss,epoch,1,1e-12\r\n"
    )
    assert curves_csv({"loss": []}, axis="epoch") == "run,quantity,axis,x,y\r\n"


# Writing the file


def test_the_text_is_written_with_its_line_ends(tmp_path: Path) -> None:
    write_output(tmp_path / "a.csv", "ä\r\n\udc80\n")
    assert (tmp_path / "a.csv").read_bytes() == b"\xc3\xa4\r\n\\udc80\n"


def test_a_file_that_is_there_stays_until_one_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("precious")
    with pytest.raises(OutputExists, match="there is a file of that name already"):
        write_output(path, "new")
    assert path.read_text() == "precious"
    write_output(path, "new", overwrite=True)
    assert path.read_text() == "new"


def test_a_link_is_written_through_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_output(tmp_path / "link", "text", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"


@pytest.mark.parametrize(
    ("name", "problem"), [("no/file", "there is no folder"), ("", "Is a directory"), ("a\0b", "null byte")]
)
def test_what_cannot_be_written_is_a_sentence(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(StorageError, match=problem):
        write_output(tmp_path / name, "text", overwrite=True)


def test_a_full_disk_leaves_no_half_of_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def full(self: Path, mode: str) -> Any:
        file: Any = opened(self, mode, buffering=0)

        class Full:
            def __enter__(self) -> Full:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, content: bytes) -> None:
                file.write(content[:2])
                raise OSError(errno.ENOSPC, "No space left on device")

        return Full()

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageError, match="No space left on device"):
        write_output(tmp_path / "a", "text")
    assert not (tmp_path / "a").exists()
