"""`scripts/table`: its rows are those of the schema, and a row is a real run from the command line."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Literal, get_origin

import pytest

from wmse_tui.config.ineffective import ineffective_options
from wmse_tui.config.loading import load_experiment
from wmse_tui.config.names import choices_of, unions

SCRIPT = Path(__file__).parents[1] / "scripts" / "table"
TINY = ("dataset.train_images=320", "dataset.test_images=40", "evaluation.linear=off", "evaluation.map=off")


@pytest.fixture(scope="module")
def table() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("table", str(SCRIPT))
    spec = importlib.util.spec_from_loader("table", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["table"] = module  # dataclasses look their module up
    try:
        loader.exec_module(module)
        return module
    finally:
        del sys.modules["table"]


def test_every_method_operator_and_layer_of_the_schema_is_a_row(table: ModuleType) -> None:
    names = {row.name for row in table.rows()}
    assert {f"method-{name}" for name in unions()["method"].classes} <= names
    assert {f"operator-{name}" for name in choices_of("method.operator")} - names == {"operator-cholesky"}, (
        "which is the row method-w_mse"
    )
    assert {f"norm-{name}" for name in choices_of("backbone.norm")} <= names
    layers = set(choices_of("backbone.whitening")) - {"none"}
    assert {f"whitening-{name}-byol" for name in layers} <= names
    assert {f"optimizer-{name}" for name in unions()["optimizer"].classes} - names == {"optimizer-adam"}
    assert {f"schedule-{name}" for name in unions()["schedule"].classes} - names == {"schedule-cosine"}
    assert len(names) == len(list(table.rows()))


def test_every_other_choice_of_a_method_is_a_row(table: ModuleType) -> None:
    rows = {row.name: row.overrides for row in table.rows()}
    assert {
        "cw_rgp-axis-batch",
        "zero_cl-variant-instance",
        "intl-axis-batch",
        "s2r2-relaxation-smooth",
    } <= set(rows)
    assert "method.predictor_rate=scheduled" in rows["simsiam-predictor_rate-scheduled"]
    choices = {
        (method, name)
        for method, options in unions()["method"].classes.items()
        for name, field in options.model_fields.items()
        if name != "name" and (get_origin(field.annotation) is Literal or field.annotation is bool)
    }
    told = {(row[0], word.partition("=")[0]) for row in rows.items() for word in row[1]}
    for method, name in choices:
        assert any(path == f"method.{name}" and f"method.name={method}" in rows[row] for row, path in told), (
            f"{method} has no row for {name}"
        )


def test_every_setting_of_a_row_or_its_needs_has_an_effect(table: ModuleType) -> None:
    """What stands in a row is not what the preset has anyway, and nothing in it is set in vain."""
    names = {row.name for row in table.rows()}
    assert {*table.NEEDS, *table.MORE, *table.COLLAPSE} <= names
    assert set(table.SIZES) <= set(unions()["method"].classes)
    for row in table.rows():
        experiment = load_experiment(preset=table.PRESET, overrides=table.fitted(row, ()).overrides)
        found = list(ineffective_options(experiment))
        assert all(path == "method.whitening_size" for path, _ in found), (row.name, found)


def test_no_row_is_refused(table: ModuleType) -> None:
    refused = {row.name: table.refusal(table.fitted(row, ()), ()) for row in table.rows()}
    assert not {name: why for name, why in refused.items() if why}


def test_a_row_that_needs_wider_embeddings_gets_the_smallest_width(table: ModuleType) -> None:
    plain = table.Row("method-cw_rgp", ("method.name=cw_rgp",))
    assert "cannot whiten 64 images" in table.refusal(plain, ())
    assert table.fitted(plain, ()).overrides == ("method.name=cw_rgp", "projector.dim=512")
    assert table.fitted(plain, ("projector.dim=32",)) == plain, "what was asked for stands"


def test_rows_are_trained_recorded_and_not_repeated(tmp_path: Path) -> None:
    options = [part for option in TINY for part in ("--set", option)]
    command = [sys.executable, str(SCRIPT), "--epochs", "1", "--out", str(tmp_path), *options, "operator-zca"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_DATA_HOME": str(tmp_path / "data")}
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "table.md").read_text() == done.stdout
    (result,) = json.loads((tmp_path / "table.json").read_text())
    assert (result["name"], result["state"], result["problem"]) == ("operator-zca", "completed", "")
    assert result["seconds"] > 0
    assert 0 <= result["knn_before"] <= 1
    assert 0 <= result["knn_after"] <= 1
    assert result["verdict"] == "unknown", "one step is too few samples"
    assert result["first_loss"] == result["last_loss"] > 0, "one epoch is the first and the last"
    assert "1 rows; not as expected: operator-zca (the loss does not fall" in done.stderr
    assert "| operator-zca | `method.name=w_mse` `method.operator=zca` |" in done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    attempts = [
        line for line in (run / "events.jsonl").read_text().splitlines() if '"attempt","resume' in line
    ]
    assert len(attempts) <= 1


def test_a_row_that_the_schema_refuses_names_the_reason_and_stops_nothing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(SCRIPT),
        "--out",
        str(tmp_path),
        "--set",
        "projector.dim=7",
        "method-cw_rgp",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "table.json").read_text())
    assert "cannot be divided" in result["problem"]
    assert "refused" in done.stdout


GOOD = {"state": "completed", "knn_before": 0.5, "knn_after": 0.6, "first_loss": 2.0, "last_loss": 1.0}


@pytest.mark.parametrize(
    ("name", "more", "lacking"),
    [
        ("method-byol", {"verdict": "healthy"}, ""),
        ("method-byol", {"verdict": "rank falling"}, ""),
        ("method-byol", {"verdict": "collapsed"}, "the verdict is collapsed"),
        ("method-byol", {"verdict": "healthy", "last_loss": 2.0}, "the loss does not fall"),
        ("method-byol", {"verdict": "healthy", "knn_after": 0.5}, "5-NN does not rise"),
        ("method-byol", {"verdict": "healthy", "first_loss": None}, "the loss does not fall"),
        ("method-byol", {"verdict": "healthy", "state": "stopped"}, "it is stopped"),
        ("method-byol", {"problem": "cannot be"}, "cannot be"),
        ("operator-pca", {"verdict": "collapsed", "knn_after": 0.1, "last_loss": 3.0}, ""),
        ("operator-none", {"verdict": "healthy"}, "the verdict does not call it collapsed"),
        ("operator-standardise", {"verdict": "collapsed"}, ""),
        ("operator-iterative", {"verdict": "collapsed"}, "the verdict is collapsed"),
    ],
)
def test_a_row_is_held_to_what_it_must_do(
    name: str, more: dict[str, object], lacking: str, table: ModuleType
) -> None:
    result = table.Result(name=name, overrides=(), **{**GOOD, **more})
    assert table.shortfall(result) == lacking
    assert table.markdown([result]).endswith(f"| {lacking or 'yes'} |")


def test_arguments_without_a_row_are_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no row is called nothing; --list prints all" in done.stderr
