"""The table for a paper: by method and data set, mean and deviation, the best in bold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from comparisons import COMPARISON, WICKED, A, group, like_a, only
from made_transfer import transfer_result

from wmse_tui.runs.state.transfer_results import SavedTransfer
from wmse_tui.runs.table.compare import Comparison, Difference, Setting, Spread
from wmse_tui.runs.table.latex import to_latex
from wmse_tui.runs.table.transfer_table import transfer_table


def test_a_row_is_a_method_with_the_options_in_which_its_experiments_differ() -> None:
    assert to_latex(COMPARISON) == (
        "% \\usepackage{booktabs}\n"
        "% Accuracies of the last evaluation: mean and sample standard deviation over n completed runs, the "
        "best in bold.\n"
        "\\begin{tabular}{lrrr}\n"
        "\\toprule\n"
        "method & linear (\\%) & $k$-NN (\\%) & $n$ \\\\\n"
        "\\midrule\n"
        "W-MSE (method.whitening\\_size 128, optimizer.lr 0.003) & $90.00$ & $80.50 \\pm 0.71$ & 2 \\\\\n"
        "W-MSE (optimizer.lr 1e-06) & -- & $80.00^{\\dagger}$ & -- \\\\\n"
        "\\bottomrule\n"
        "\\multicolumn{4}{l}{\\footnotesize $^{\\dagger}$ Not completed: its last evaluation so far.} \\\\\n"
        "\\end{tabular}\n"
    )


def test_methods_are_rows_data_sets_are_columns_and_the_best_of_each_column_is_bold() -> None:
    results = (
        A,
        like_a(run_id="b", method="simclr", final_knn=0.7, final_linear=0.91),
        like_a(run_id="c", dataset="stl10", final_knn=0.6, final_linear=0.7),
        like_a(run_id="d", dataset="my data", method="simclr", final_knn=0.5, status="running"),
    )

    def differs(key: str, *values: object) -> Difference:
        settings = tuple(Setting("absent") if one is None else Setting("set", one) for one in values)  # type: ignore[arg-type]
        return Difference(key, "", "", settings)

    shown = Comparison(
        results,
        (
            differs("dataset.name", "cifar10", "cifar10", "stl10", "folder"),
            differs("method.name", "w_mse", "simclr", "w_mse", "simclr"),
            differs("method.temperature", None, 0.5, None, 0.5),
            differs("schedule.epochs", 1000, 1000, 2000, 10),  # by data set, so no experiments of one differ
        ),
        (
            group((0,), results[0], final_knn=Spread(3, 0.8, 0.004), final_linear=Spread(3, 0.9, 0.002)),
            group((1,), results[1], final_knn=Spread(1, 0.7, None), final_linear=Spread(1, 0.91, None)),
        ),
    )
    lines = to_latex(shown).splitlines()
    assert lines[2] == r"\begin{tabular}{lrrrrrrrrr}"
    assert lines[4:6] == [
        r" & \multicolumn{3}{c}{CIFAR-10} & \multicolumn{3}{c}{STL-10} & \multicolumn{3}{c}{my data} \\",
        r"\cmidrule(lr){2-4} \cmidrule(lr){5-7} \cmidrule(lr){8-10}",
    ]
    assert lines[8:10] == [
        r"W-MSE & $90.00 \pm 0.20$ & $\mathbf{80.00} \pm 0.40$ & 1 & $70.00$ & $60.00$ & 1 & -- & -- & -- \\",
        r"SimCLR & $\mathbf{91.00}$ & $70.00$ & 1"
        + 3 * " & --"
        + r" & $90.00^{\dagger}$ & $50.00^{\dagger}$ & -- \\",
    ]


def test_latex_text_is_escaped() -> None:
    row = to_latex(only(like_a(method="", title=WICKED))).splitlines()[6]
    assert row == (
        r'=HYPERLINK("x")\textbar{}`a` \textbackslash{}x1b[31m\textbackslash{}u202e '
        r"\$1\_\{\textbackslash{}\#\%\&\textasciitilde{}\textasciicircum{}\textless{}b\textgreater{}\}"
        r" & -- & $80.00$ & 1 \\"
    )


@pytest.mark.parametrize(
    ("title", "cell"), [("a---b", "a-{}-{}-b"), ("[1] x", "{}[1] x"), ("*", "{}*"), ("x [1]*", "x [1]*")]
)
def test_latex_text_is_no_dash_and_no_argument(title: str, cell: str) -> None:
    assert to_latex(only(like_a(method="", title=title))).splitlines()[6].partition(" & ")[0] == cell


def test_latex_keeps_a_run_whose_configuration_cannot_be_read() -> None:
    broken = like_a(run_id="broken", title="", method="")
    lines = to_latex(
        Comparison((broken,), (Difference("optimizer.lr", "", "", (Setting("unreadable"),)),), ())
    )
    assert r"broken & $90.00$ & $80.00$ & 1 \\" in lines.splitlines()


def test_transfer_is_a_table_of_its_own_with_the_best_of_comparable_columns_in_bold() -> None:
    results = (A, like_a(run_id="b", seed=1), like_a(run_id="c", method="simclr"))
    values = ((0.7, 0.8, 0.9), (0.5, None, 0.25), (None, None, 0.625))
    columns = transfer_table(
        [
            [
                SavedTransfer(
                    transfer_result(
                        name,
                        value,
                    ),
                    "final.pt",
                    "now",
                )
                for name, value in zip(("svhn", "pets_&", "x"), each, strict=True)
                if value is not None
            ]
            for each in zip(*values, strict=True)
        ]
    )
    comparison = Comparison(
        results, (), (group((0, 1), results[0], results[1]), group((2,), results[2])), columns
    )
    assert to_latex(comparison).split("\n\n")[1].splitlines()[1:] == [
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r"method & Pets\_\& (\%) & Svhn (\%) & X (\%) \\",
        r"\midrule",
        r"W-MSE & $\mathbf{50.00}$ & $75.00 \pm 7.07$ & -- \\",
        r"SimCLR & $25.00$ & $\mathbf{90.00}$ & $62.50$ \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    unlike_ = replace(columns[1], same_images=False)
    text = to_latex(replace(comparison, transfer=(unlike_,)))
    assert r"W-MSE & $75.00 \pm 7.07$ \\" in text
    assert "% None is bold where runs had other images: Svhn." in text


def test_accuracies_of_other_test_images_have_no_best() -> None:
    results = tuple(
        replace(like_a(run_id=name, method=name, final_knn=value), tested_on=f"cifar10, test ({images})")
        for name, value, images in (("w_mse", 0.8, 10), ("simclr", 0.9, 20))
    )
    text = to_latex(Comparison(results, (), ()))
    assert "% None is bold: tested on cifar10, test (10) and on cifar10, test (20)." in text
    assert "mathbf" not in text
    same = tuple(replace(one, tested_on="cifar10, test (10)") for one in results)
    assert r"\mathbf{90.00}" in to_latex(Comparison(same, (), ()))
