"""The text of problems, with source and line."""

from __future__ import annotations

import pytest

from wmse_tui.config.problems import ConfigError, Problem, did_you_mean, nearest, quoted


def test_text_is_source_then_option_then_message_then_fix() -> None:
    problem = Problem("method.whitening_size", "too small", "use more", line=14, source="stl10.yaml")
    assert problem.text() == "stl10.yaml:14: method.whitening_size: too small; use more"


def test_text_leaves_out_what_is_not_known() -> None:
    assert Problem("", "is empty").text() == "is empty"
    assert Problem("seed", "is wrong", source="a.yaml").text() == "a.yaml: seed: is wrong"


def test_text_names_a_flag_and_its_option_once() -> None:
    assert (
        Problem("optimizer.lr", "is wrong", source="--set optimizer.lr").text()
        == "--set optimizer.lr: is wrong"
    )


def test_an_error_shows_all_its_problems_one_per_line() -> None:
    error = ConfigError([Problem("seed", "is wrong"), Problem("title", "is long")])
    assert str(error) == "seed: is wrong\ntitle: is long"
    assert [problem.path for problem in error.problems] == ["seed", "title"]


def test_nearest_finds_a_typing_error_and_nothing_far() -> None:
    assert nearest("slt10", ["cifar10", "stl10"]) == "stl10"
    assert nearest("xyz", ["cifar10", "stl10"]) is None
    assert did_you_mean("slt10", ["stl10"]) == "did you mean stl10?"
    assert did_you_mean("xyz", ["stl10"]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (False, "false"), (1, "1"), ("a\x1b", r"'a\x1b'"), ([1], "[1]")],
)
def test_values_are_quoted_as_yaml_writes_them_and_escaped(value: object, text: str) -> None:
    assert quoted(value) == text


def test_a_long_value_is_cut() -> None:
    assert quoted("x" * 100, limit=10) == "'xxxxxxxx…"
