"""The texts about the numbers of a diagnostics sample: complete, and in agreement with verdict and charts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from events import diagnostics

from wmse_tui.config.loading import load_experiment
from wmse_tui.config.names import field_of
from wmse_tui.runs.log.events import Diagnostics
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.curves import QUANTITIES
from wmse_tui.runs.state.diagnostic_notes import DIAGNOSTIC_NOTES, NULL_NAMES, DiagnosticNote
from wmse_tui.runs.state.verdict import out_of_bounds

W_MSE = ConfigSummary(method="w_mse", operator="cholesky", whitening_size=128, batch_size=256)
NO_NUMBERS = {"step", "epoch", "samples", "dim", "seconds"}
METHODS = (Path(__file__).parents[3] / "docs" / "methods.md").read_text()
notes = pytest.mark.parametrize("note", DIAGNOSTIC_NOTES.values(), ids=lambda note: note.name)


def test_every_number_of_a_sample_has_a_note() -> None:
    numbers = {
        field.name for field in fields(Diagnostics) if re.match(r"Number|Fraction", str(field.type))
    } - NO_NUMBERS
    assert {name.removesuffix("_null") for name in numbers} == set(DIAGNOSTIC_NOTES)


@notes
def test_a_note_is_complete_and_its_number_is_in_the_methods(note: DiagnosticNote) -> None:
    assert all(text.endswith(".") for text in (note.meaning, note.expected, note.bad))
    assert len(note.label) <= 16
    assert len(note.meaning) + len(note.expected) + len(note.bad) < 420  # fits the panel
    assert note.null in NULL_NAMES
    assert QUANTITIES[note.name].title == note.title
    assert (
        f"| {note.title.lower()} |" in METHODS.lower()
        or f"| {note.label.lower()} |" in METHODS.lower()
        or (note.title.lower().startswith("alpha") and "| alpha |" in METHODS)
    )


@notes
@pytest.mark.parametrize("method", ["w_mse", "simclr", "byol", "barlow_twins"])
def test_what_to_try_names_options_there_are(note: DiagnosticNote, method: str) -> None:
    about = replace(W_MSE, method=method, whitening_size=40 if method == "w_mse" else 0, eps=0.1)
    tries = note.tries(about, 32)
    assert tries
    load_experiment(preset="quickstart", overrides=(f"method={{name: {method}}}",))
    for option in re.findall(r"\b(?:method|optimizer|schedule|projector|backbone)\.\w+", " ".join(tries)):
        assert field_of(option) is not None, option


BROKEN: dict[str, dict[str, float]] = {
    "effective_rank": {"effective_rank": 1.2},
    "condition_number": {"condition_number": 1e6},
    "smallest_pivot": {"smallest_pivot": 1e-6},
    "feature_std": {"feature_std": 0.01},
    "mean_correlation": {"mean_correlation": 0.8},
}


@pytest.fixture
def healthy() -> Callable[..., Diagnostics]:
    def make(space: str = "projector", **values: float) -> Diagnostics:
        numbers = {
            "effective_rank": 26.0,
            "effective_rank_null": 30.0,
            "condition_number": 44.0,
            "smallest_pivot": 0.05,
            "feature_std": 0.9,
            "mean_correlation": 0.1,
            **values,
        }
        found = diagnostics(20, space, dim=32, **numbers)
        assert isinstance(found, Diagnostics)
        return found

    return make


@pytest.mark.parametrize("name", BROKEN)
def test_a_number_is_out_of_bounds_by_the_bounds_of_the_verdict(
    healthy: Callable[..., Diagnostics], name: str
) -> None:
    assert out_of_bounds(healthy(), W_MSE) == frozenset()
    assert out_of_bounds(healthy(**BROKEN[name]), W_MSE) == {name}
    in_encoder = name in ("effective_rank", "feature_std")
    assert out_of_bounds(healthy("encoder", **BROKEN[name]), W_MSE) == ({name} if in_encoder else set())


def test_embeddings_that_are_not_finite_have_a_rank_out_of_bounds(
    healthy: Callable[..., Diagnostics],
) -> None:
    assert out_of_bounds(replace(healthy(), effective_rank=None), W_MSE) == {"effective_rank"}
