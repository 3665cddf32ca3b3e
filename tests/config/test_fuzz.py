"""Any text gives an experiment or a ConfigError, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from wmse_tui.config.loading import dump_experiment, load_experiment, parse_experiment, shipped_presets_dir
from wmse_tui.config.names import choices_of, dotted_names
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.yaml import write_yaml

PRESETS = [path.read_text() for path in sorted(shipped_presets_dir().glob("*.yaml"))]
NAMES = dotted_names()
WORDS = sorted({choice for name in NAMES for choice in choices_of(name)})

values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [*WORDS, None, True, False, 0, 1, 2, -1, 64, 128, 256, 1e-3, 0.5, 10**30, 10**400, "", "~", "cuda:1"]
    ),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(0, 100) | st.floats(0, 1) | st.text(max_size=2), max_size=4),
    st.dictionaries(
        st.sampled_from(["name", "kind", "lr", "x"]), st.sampled_from([*WORDS, None, 1]), max_size=2
    ),
)


def check(make: Callable[[], Experiment]) -> None:
    """Either outcome is correct, but a refusal has reasons and an experiment survives being written."""
    outcome: Experiment | ConfigError
    try:
        outcome = make()
    except ConfigError as error:
        outcome = error
    if isinstance(outcome, Experiment):
        assert parse_experiment(dump_experiment(outcome), "again.yaml") == outcome
    else:
        assert outcome.problems
        assert all(problem.message for problem in outcome.problems)


@settings(max_examples=300)
@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>%@`'\"#,? \n\t\\0", max_size=60))
@example("%YAML 1.1\n---\n%TAG")
@example("? ? ? ?")
@example("\ufeffseed: 1")
@example("seed: 0x")
@example("a: |\n\n b\n c")
def test_any_text_is_loaded_or_refused_with_a_config_error(text: str) -> None:
    check(lambda: parse_experiment(text, "fuzz.yaml"))


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(NAMES), values, max_size=6))
def test_any_values_are_loaded_or_refused_with_a_config_error(chosen: dict[str, Any]) -> None:
    nested: dict[str, Any] = {}
    for name, value in chosen.items():
        section, _, leaf = name.partition(".")
        if not leaf:
            nested[section] = value
        elif isinstance(nested.setdefault(section, {}), dict):
            nested[section][leaf] = value
    check(lambda: parse_experiment(write_yaml(nested), "fuzz.yaml"))


@settings(max_examples=200)
@given(st.sampled_from(PRESETS), st.data())
def test_a_preset_with_a_piece_replaced(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    piece = data.draw(st.text(max_size=4) | st.text(alphabet=" \n:[]{},0123456789.e-", max_size=4))
    check(lambda: parse_experiment(text[:start] + piece + text[end:], "fuzz.yaml"))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.text(max_size=12)), max_size=3))
@example([("dataset.root", "\0"), ("dataset.root", "~\ud800")])
@example([("optimizer", "{lr: {lr: {}}}")])
@example([("method.name", "[w_mse]")])
def test_any_overrides_are_loaded_or_refused_with_a_config_error(pairs: list[tuple[str, str]]) -> None:
    overrides = [f"{name}={value}" for name, value in pairs]
    check(lambda: load_experiment(preset="cifar10", overrides=overrides))
