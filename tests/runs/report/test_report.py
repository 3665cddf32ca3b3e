"""Reports: what is in them, equal bytes, and text of any origin that stays text."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from events import attempt, checkpoint, diagnostics, epoch, evaluation
from hypothesis import given
from hypothesis import strategies as st
from made_transfer import save_transfer, transfer_result

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Error, Event, Exit, Notice, Record, Steps
from wmse_tui.runs.report.content import read_run, report
from wmse_tui.runs.report.document import Block, Code, Figure, Heading, PlainText, ReportDocument, Table
from wmse_tui.runs.report.html_page import html_page
from wmse_tui.runs.report.markdown_page import markdown_page
from wmse_tui.runs.report.svg import figure_svg
from wmse_tui.runs.state.config import with_preset
from wmse_tui.runs.state.curves import Curve

BEGAN = 1_772_366_400.0  # 2026-03-01 12:00:00 UTC


def steps(first: int, losses: Sequence[float]) -> Steps:
    return Steps(first=first, loss=tuple(losses), lr=(1e-3,) * len(losses), images_per_second=90.0)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RunDirectory]:
    """A completed run of two attempts, made from a preset."""

    def make(name: str, *overrides: str, linear: float = 0.875, preset: str = "cifar10") -> RunDirectory:
        experiment = load_experiment(preset=preset, overrides=overrides)
        run = create_run(tmp_path / "runs", with_preset(dump_experiment(experiment), preset), name=name)
        logged: list[tuple[int, Event]] = [
            (1, attempt(epochs=2, versions=(("torch", "2.14.1"), ("wmse_tui", "0.1")))),
            (1, evaluation(0, 0, 0.31, raw_pixels=0.28)),
            (1, steps(1, [2.0, 1.75, 1.5, 1.25])),
            (1, epoch(1, 4)),
            (1, diagnostics(4, nulls=(("rankme", 60.0),), rankme=22.5)),
            (1, checkpoint(4, "step-00000004.pt", epoch=1, sha256="ab" * 32)),
            (1, Exit(status="stopped", step=4, epoch=1, seconds=60.0)),
            (2, attempt(4, epochs=2, device="GPU 0: NVIDIA H200", versions=(("torch", "2.14.1"),))),
            (2, Notice(level="warning", code="W_X", text="the disk is nearly full")),
            (2, steps(5, [1.2, 1.1, 1.0, 0.9])),
            (2, epoch(2, 8)),
            (2, evaluation(2, 8, 0.8, linear, top5=0.99)),
            (2, Exit(status="completed", step=8, epoch=2, seconds=60.0)),
        ]
        began = BEGAN + ord(name[0]) - ord("a")  # runs of one beginning are copies
        records = [
            Record(1, seq, began + 30 * seq, number, event) for seq, (number, event) in enumerate(logged, 1)
        ]
        run.events.write_text("".join(encode(record) + "\n" for record in records))
        return run

    return make


def rows_of(page: str) -> list[list[str]]:
    """The cells of all tables of a page, row by row."""

    class Tables(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[list[str]] = []
            self.inside = False

        def handle_starttag(self, tag: str, _attributes: object) -> None:
            if tag == "tr":
                self.rows.append([])
            if tag in ("td", "th"):
                self.inside = True
                self.rows[-1].append("")

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside and tag not in ("td", "th")

        def handle_data(self, data: str) -> None:
            if self.inside:
                self.rows[-1][-1] += data

    tables = Tables()
    tables.feed(page)
    return tables.rows


def test_a_report_has_the_result_beside_the_published_number(make: Callable[..., RunDirectory]) -> None:
    rows = rows_of(html_page(report([read_run(make("a"))])))
    assert ["linear probe (adam)", "87.50 %", "91.55 %", "-4.05"] in rows
    assert ["5-NN (euclidean)", "80.00 %", "89.69 %", "-9.69"] in rows


def test_options_that_differ_come_first_and_the_command_sets_them(make: Callable[..., RunDirectory]) -> None:
    page = html_page(report([read_run(make("a", "seed=3", "optimizer.lr=1e-3"))]))
    rows = rows_of(page)
    assert ["optimizer.lr", "0.001", "0.003"] in rows
    assert rows.index(["optimizer.lr", "0.001", "0.003"]) < rows.index(["optimizer.lr", "0.001"])
    command = "wmse-tui run --preset cifar10 --set seed=3 --set optimizer.lr=0.001 --headless"
    assert f"<pre>{command}</pre>" in page


def test_the_command_of_a_report_gives_the_same_experiment(make: Callable[..., RunDirectory]) -> None:
    import shlex

    overrides = ("seed=3", "augmentation.crop_scale=[0.3, 0.9]", "dataset.root=/data/it's here")
    run = make("a", *overrides)
    page = markdown_page(report([read_run(run)]))
    command = next(line for line in page.splitlines() if line.startswith("wmse-tui run"))
    words = shlex.split(command)
    settings = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    again = load_experiment(preset=words[words.index("--preset") + 1], overrides=settings)
    assert again == load_experiment(preset="cifar10", overrides=overrides)


def test_attempts_checkpoints_and_evaluations_are_listed(make: Callable[..., RunDirectory]) -> None:
    rows = rows_of(html_page(report([read_run(make("a"))])))
    assert rows[next(place for place, row in enumerate(rows) if row[0] == "attempt") + 1][:6] == [
        "1",
        "2026-03-01 12:00:30 UTC",
        "3 min 00 s",
        "0",
        "CPU, 2 threads on gpu-a",
        "yes",
    ]
    second = next(row for row in rows if row[:1] == ["2"] and "H200" in "".join(row))
    assert second[-1] == "completed"
    assert ["step-00000004.pt", "last", "1", "4", "9.8 MB", "ab" * 32] in rows
    assert ["2", "8", "80.00 %", "87.50 %", "99.00 %", "-", "train -> test"] in rows
    assert ["projector", "RankMe", "22.5", "60", "4"] in rows


def test_a_failed_run_is_reported_with_its_error(make: Callable[..., RunDirectory]) -> None:
    run = make("a")
    error = Error(
        code="E_NONFINITE", title="the loss is not finite", detail="step 9\nis NaN", next=("lower it",),
        stage="training",
    )  # fmt: skip
    records = [
        Record(1, 14, BEGAN + 900, 3, error),
        Record(1, 15, BEGAN + 901, 3, Exit(status="diverged", step=8, epoch=2, seconds=1.0)),
    ]
    with run.events.open("a") as log:
        log.write("".join(encode(record) + "\n" for record in records))
    page = html_page(report([read_run(run)]))
    assert '<p class="bad">E_NONFINITE: the loss is not finite</p>' in page
    assert "<p>is NaN</p>" in page
    assert "diverged: the loss is not finite" in page


def test_several_runs_begin_with_their_comparison(make: Callable[..., RunDirectory]) -> None:
    runs = [make("a", "seed=1", linear=0.8), make("b", "seed=2", linear=0.9)]
    page = markdown_page(report([read_run(run) for run in runs]))
    assert page.startswith("# a and b\n\n## Results\n")
    assert page.index("## Repetitions") < page.index("\n# a\n") < page.index("\n# b\n")
    assert "| a, b | 1, 2 | 2 of 2 runs | 85.00 ± 7.07 % | 80.00 ± 0.00 % |" in page
    assert "| seed | 1 | 2 |" in page


def test_transfer_is_reported_of_one_run_and_compared_of_several(make: Callable[..., RunDirectory]) -> None:
    first, second = make("a"), make("b", "seed=1")
    save_transfer(first, transfer_result("patterns", 0.75), checkpoint="best.pt")
    save_transfer(second, transfer_result("patterns", 0.5))
    page = html_page(report([read_run(first)]))
    row = next(row for row in rows_of(page) if row[0] == "Patterns")
    assert row == [
        *("Patterns", "top-1", "75.00", "71.88 to 78.12", "68.75", "71.88"),
        *("50.00 ± 3.12", "62.50 ± 3.12", "12.50", "3.12", "train (2,000) -> test (1,000)"),
    ]
    assert ["Patterns", "12.5 % (250)", "68.75", "65.62 to 71.88", "300"] in rows_of(page)
    assert "of best.pt, 2026-01-02T03:04:05+00:00" in page
    both = rows_of(html_page(report([read_run(first), read_run(second)])))
    at = both.index(["run", "Patterns (%)"])
    assert both[at + 1 : at + 3] == [["a", "75.00 best"], ["b", "50.00"]]
    assert "Transfer" not in html_page(report([read_run(make("c"))]))


def test_equal_runs_give_equal_bytes_wherever_they_are_read(
    make: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make("a")
    pages = []
    for zone in ("UTC", "Pacific/Auckland"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        document = report([read_run(run)])
        pages.append((html_page(document), markdown_page(document)))
    monkeypatch.undo()
    time.tzset()
    assert pages[0] == pages[1]
    assert str(run.path) not in pages[0][0]


def test_the_page_loads_nothing(make: Callable[..., RunDirectory]) -> None:
    page = html_page(report([read_run(make("a"))]))
    assert "default-src 'none'" in page
    assert not re.search(r"<(script|img|link|iframe|object|embed)\b|url\(|@import|\bon\w+=", page)
    assert page.count("<svg") == 6


HOSTILE = "<script>alert(1)</script>'\"&\x1b]0;x\x07\u202e|`~~~\n~~~\n# x"


def test_text_of_any_origin_stays_text(make: Callable[..., RunDirectory]) -> None:
    curve = Curve(label=HOSTILE, x=(0.0, 1.0), y=(1.0, 2.0))
    figure = Figure(
        title=HOSTILE, unit=HOSTILE, x_title=HOSTILE, curves=[curve, curve], references=[(1.5, HOSTILE)]
    )
    blocks: list[Block] = [
        Heading(2, HOSTILE),
        PlainText(HOSTILE, tone="bad"),
        Table((HOSTILE,), [(HOSTILE,)]),
        Code(HOSTILE.splitlines()),
        figure,
    ]
    page = html_page(ReportDocument(HOSTILE, blocks))
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    assert "script" not in tags
    assert page.isprintable() or set(page) - {"\n"} <= {c for c in page if c.isprintable()} | {"\n"}
    assert "\u202e" not in page
    text = markdown_page(ReportDocument(HOSTILE, blocks))
    prose = text.split("~~~~")[0]
    assert "<script" not in prose.replace("\\<script", "")
    fence = re.findall(r"^(~{3,})$", text, re.MULTILINE)
    assert fence[0] == fence[-1] == "~~~~"  # longer than those within


finite = st.floats(-1e300, 1e300)


@given(
    st.lists(st.tuples(finite, finite | st.sampled_from([math.nan, math.inf, -math.inf])), max_size=30),
    st.booleans(),
)
def test_any_curve_is_drawn_within_the_figure(points: list[tuple[float, float]], log: bool) -> None:
    points = sorted(points)
    curve = Curve(label="", x=tuple(abs(x) for x, _ in points), y=tuple(y for _, y in points))
    figure = Figure(title="t", unit="", x_title="x", curves=[curve] if points else [], log=log)
    drawn = figure_svg(figure)
    usable = [y for _, y in points if math.isfinite(y) and (y > 0 or not log)]
    assert bool(drawn) is bool(usable)
    assert "nan" not in drawn
    assert "inf" not in drawn


def test_the_file_is_named_after_the_run(
    make: Callable[..., RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from wmse_tui.cli.exits import ExitCode
    from wmse_tui.cli.main import app

    run = make("a")
    monkeypatch.chdir(tmp_path)

    def cli(*arguments: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["report", *arguments, "--runs-dir", str(run.path.parent)])
        return done.exit_code, done.stdout, done.stderr

    assert cli("a") == (0, "", "written: a-report.html\n")
    assert Path("a-report.html").read_text() == html_page(report([read_run(run)]))
    status, _, problem = cli("a")
    assert status == ExitCode.USAGE
    assert "--force" in problem
    assert cli("a", "--force")[0] == 0
    assert cli("a", "-f", "markdown", "-o", "-")[1] == markdown_page(report([read_run(run)]))
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["a-report.html", "runs"]
