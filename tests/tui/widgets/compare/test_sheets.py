"""The tables of Compare, as pure functions of the comparison."""

from __future__ import annotations

from dataclasses import replace

from made_transfer import transfer_result

from wmse_tui.config.loading import load_experiment
from wmse_tui.runs.log.events import Evaluation, KnnResult, LinearResult, Notice
from wmse_tui.runs.state.config import ConfigSummary, Configuration
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.state.transfer_results import SavedTransfer
from wmse_tui.runs.table.compare import Comparison, Subject, compare, unlike
from wmse_tui.tui.widgets.compare.sheets import (
    RESULT_COLUMNS,
    ResultOrder,
    differences_sheet,
    repetitions_sheet,
    results_sheet,
    transfer_sheet,
)
from wmse_tui.tui.widgets.table import Cell, Sheet

MARKERS = "ox+*"


def marker(place: int) -> str:
    return MARKERS[place]


def subject(name: str, *overrides: str, knn: float = 0.5, state: Status = "completed") -> Subject:
    experiment = load_experiment(preset="quickstart", overrides=overrides)
    view = RunState(
        run_id=name,
        path=f"/runs/{name}",
        summary=ConfigSummary(seed=experiment.seed, epochs=12),
        status=state,
        evaluations=(
            Evaluation(
                epoch=1,
                step=4,
                knn=KnnResult(knn, 5, "euclidean"),
                linear=LinearResult(0.75, None, "adam"),
                train_split="",
                test_split="",
                seconds=1.0,
            ),
        ),
    )
    return Subject(view, Configuration(experiment))


def texts(sheet: Sheet) -> list[list[str]]:
    return [[entry.text for entry in row] for row in sheet.rows]


def test_results_name_each_run_with_its_marker_and_colour() -> None:
    sheet = results_sheet(compare([subject("a"), subject("b", state="failed")]), marker, {})
    assert [row[0] for row in sheet.rows] == [Cell("o a", 0), Cell("x b", 1)]
    assert sheet.rows[0][1:5] == (Cell("completed", "good"), Cell("0/12"), Cell("75.00"), Cell("50.00"))
    assert sheet.rows[1][1] == Cell("failed", "bad")
    assert {len(row) for row in sheet.rows} == {len(sheet.heading)}


def test_results_are_sorted_by_any_column_and_keep_marker_and_colour() -> None:
    unknown = Subject(RunState(run_id="c"), Configuration(None))
    comparison = compare([subject("a", knn=0.5), subject("b", knn=0.75), unknown])
    for column in range(len(RESULT_COLUMNS)):
        for descending in (False, True):
            sheet = results_sheet(comparison, marker, {}, ResultOrder(column, descending))
            assert {row[0] for row in sheet.rows} == {Cell("o a", 0), Cell("x b", 1), Cell("+ c", 2)}
    knn = [column.title for column in RESULT_COLUMNS].index("k-NN %")
    order = ResultOrder(knn - 1).next(1)
    assert order == ResultOrder(knn, descending=True)  # the best accuracy first
    assert [row[0] for row in texts(results_sheet(comparison, marker, {}, order))] == ["x b", "o a", "+ c"]
    sheet = results_sheet(comparison, marker, {}, order.reversed())
    assert [row[0] for row in texts(sheet)] == ["o a", "x b", "+ c"]  # without a value: last
    assert sheet.heading[knn] == Cell("k-NN % ▲")
    assert ResultOrder(len(RESULT_COLUMNS) - 1).next(1) == ResultOrder() == ResultOrder().reversed()


def test_the_best_of_each_accuracy_is_marked() -> None:
    sheet = results_sheet(compare([subject("a", knn=0.5), subject("b", knn=0.75)]), marker, {})
    assert [row[4] for row in sheet.rows] == [Cell("50.00"), Cell("* 75.00", "good")]
    assert [row[3] for row in sheet.rows] == [Cell("75.00")] * 2  # equal: none is better


def test_accuracies_that_cannot_be_compared_have_no_best_and_a_reason() -> None:
    """Other images (by fingerprint, else by data set and split), or another k-NN."""

    def tested(name: str, *overrides: str, split: str = "test (9)", print_: str = "", k: int = 5) -> Subject:
        one = subject(name, *overrides)
        final = replace(one.state.evaluations[0], test_split=split)
        knn, linear = (
            KnnResult(0.25 * len(name), k, "euclidean"),
            LinearResult(0.25 * len(name), None, "adam"),
        )
        final = replace(final, knn=knn, linear=linear)
        text = f"images by names, sizes and samples: train (20) {'0' * 16}, {split} {print_}"
        notices = (Notice("info", "N_IMAGES", text),) if print_ else ()
        return replace(one, state=replace(one.state, evaluations=(final,), notices=notices))

    a = tested("a")
    folders = [
        tested(name, "dataset.name=folder", f"dataset.root=/{root}", print_=print_)
        for name, root, print_ in (
            ("a", "x/plants", "1" * 16),
            ("bb", "y/moved", "1" * 16),
            ("bb", "z", "2" * 16),
        )
    ]
    for runs, knn, linear, reason in (
        ((a, tested("bb")), True, True, ""),
        (
            (a, tested("bb", split="test (5)")),
            False,
            False,
            "tested on patterns, test (9) and on patterns, test (5)",
        ),
        (
            (a, tested("bb", "dataset.name=cifar10", "dataset.test_images=9")),
            False,
            False,
            "tested on patterns, test (9) and on cifar10, test (9)",
        ),
        ((a, tested("bb", k=200)), False, True, "k-NN is 5-NN (euclidean) and 200-NN (euclidean)"),
        (folders[:2], True, True, ""),
        (folders[1:], False, False, "tested on folder moved, test (9) and on folder z, test (9)"),
    ):
        comparison = compare(runs)
        assert unlike(comparison.results) == reason
        cells = results_sheet(comparison, marker, {}).rows[1][3:7]
        assert [cell.text.startswith("*") for cell in cells] == [linear, knn, linear, knn], reason


def test_a_missing_value_is_a_dash() -> None:
    sheet = results_sheet(compare([Subject(RunState(run_id="new"), Configuration(None))]), marker, {})
    assert texts(sheet) == [["o new", "new", "0/?", "-", "-", "-", "-", "-", "-", "-", "0", "-"]]


def test_an_unreadable_log_replaces_the_status() -> None:
    sheet = results_sheet(compare([subject("a")]), marker, {"/runs/a": "cannot read the log"})
    assert sheet.rows[0][1] == Cell("unreadable", "bad")


def test_differences_have_a_column_for_each_run() -> None:
    sheet = differences_sheet(compare([subject("a"), subject("b", "method.name=simclr", "seed=2")]), marker)
    assert sheet.heading == (Cell("option"), Cell("o a", 0), Cell("x b", 1))
    assert ["seed", "0", "2"] in texts(sheet)
    row = next(row for row in sheet.rows if row[0].text == "method.temperature")
    assert row[1:] == (Cell("-", "muted"), Cell("0.5"))


def test_equal_options_and_a_single_run_are_reported() -> None:
    assert (
        differences_sheet(compare([subject("a"), subject("b")]), marker).empty == "All options are the same."
    )
    alone = differences_sheet(compare([subject("a")]), marker)
    assert alone.empty == "There is nothing to compare with yet."


def test_repetitions_have_mean_and_deviation_and_count_unfinished_runs() -> None:
    runs = [
        subject("a", knn=0.4),
        subject("b", "seed=1", knn=0.6),
        subject("c", "seed=2", state="running"),
        subject("d", "optimizer.lr=1e-4"),
    ]
    sheet = repetitions_sheet(compare(runs), marker)
    assert texts(sheet) == [["o x + (1 not completed)", "2", "75.00 ± 0.00", "50.00 ± 14.14", "-", "0, 1, 2"]]
    assert repetitions_sheet(Comparison((), (), ()), marker).rows == ()


def test_text_from_files_is_made_harmless() -> None:
    wicked = subject("x")
    view = replace(wicked.state, run_id="[/red]\x1b[31m\u202e" + "y" * 99)
    comparison = compare([Subject(view, wicked.configuration), subject("b", "title=[/red] \u202e\u2066")])
    for sheet in (
        results_sheet(comparison, marker, {}),
        differences_sheet(comparison, marker),
        repetitions_sheet(comparison, marker),
    ):
        for row in (sheet.heading, *sheet.rows):
            assert all(entry.text.isprintable() or not entry.text for entry in row)
            assert all(len(entry.text) <= 48 for entry in row)


def test_transfer_marks_the_best_of_each_set_and_its_ties() -> None:
    measured = {"a": (0.625, 0.75), "b": (0.65, None), "c": (0.4, 0.5)}
    subjects = [
        replace(
            subject(name),
            transfer=tuple(
                SavedTransfer(transfer_result(set_, value), "final.pt", "now")
                for set_, value in zip(("cifar10", "/my/[b]plants\x1b"), values, strict=True)
                if value is not None
            ),
        )
        for name, values in measured.items()
    ]
    sheet = transfer_sheet(compare(subjects), marker)
    assert [cell.text for cell in sheet.heading] == ["run", "[B]Plants\\x1b", "Cifar10"]
    assert texts(sheet) == [
        ["o a", "* 75.00", "~ 62.50"],
        ["x b", "-", "* 65.00"],
        ["+ c", "50.00", "40.00"],
    ]
    assert [row[1].style for row in sheet.rows] == ["good", "muted", None]
    assert sheet.rows[1][0] == Cell("x b", 1)


def test_runs_without_transfer_name_the_command() -> None:
    sheet = transfer_sheet(compare([subject("a")]), marker)
    assert sheet.rows == ((Cell("o a", 0),),)
