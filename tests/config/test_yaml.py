"""What strict YAML reads, what it refuses with which message, and that reading undoes writing."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml as stock_yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wmse_tui.config.problems import ConfigError
from wmse_tui.config.yaml import MAX_BYTES, read_value, read_yaml, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5e3", -1500.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("+3", 3),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("nan", "nan"),
        ("1.2.3", "1.2.3"),
        ("[50, 25]", [50, 25]),
        ("{name: sgd}", {"name": "sgd"}),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    read = read_value(text, "--set x")
    assert read == value
    assert type(read) is type(value)


def test_every_key_and_list_item_has_its_line() -> None:
    document = read_yaml("seed: 1\n\nschedule:\n  milestones:\n    - 50\n    - 25\n  epochs: 3\n", "x.yaml")
    assert document.values == {"seed": 1, "schedule": {"milestones": [50, 25], "epochs": 3}}
    assert document.lines == {
        "seed": 1,
        "schedule": 3,
        "schedule.milestones": 4,
        "schedule.milestones.0": 5,
        "schedule.milestones.1": 6,
        "schedule.epochs": 7,
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_file_has_no_values(text: str) -> None:
    assert read_yaml(text, "x.yaml").values == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "x.yaml:2: seed: is here twice (first on line 1); remove one of them"),
        ("a:\n  b: 1\n  b: 2\n", "x.yaml:3: a.b: is here twice (first on line 2); remove one of them"),
        ("a: &b 1\n", "x.yaml:1: anchors and aliases (& and *) are not allowed; write the value out"),
        ("\na: *b\n", "x.yaml:2: anchors and aliases (& and *) are not allowed; write the value out"),
        (
            "a: !!python/name:os.system x",
            "x.yaml:1: tags (!) are not allowed; quote the text if it begins with !",
        ),
        ("a: !!int '3'\n", "x.yaml:1: tags (!) are not allowed; quote the text if it begins with !"),
        ("a:\n  - .nan\n", "x.yaml:2: a.0: expected a finite number, got '.nan'"),
        ("a: -.inf\n", "x.yaml:1: a: expected a finite number, got '-.inf'"),
        ("a: 1e999\n", "x.yaml:1: a: expected a finite number, got '1e999'"),
        ("a: " + "9" * 101, "x.yaml:1: a: a number of 101 digits is too long"),
        ("- 1\n", "x.yaml:1: expected keys and values (`seed: 1`), got [1]"),
        ("word\n", "x.yaml:1: expected keys and values (`seed: 1`), got 'word'"),
        ("1: 2\n", "x.yaml:1: every key must be a word; put it in quotes if it is meant as text"),
        ("? [a]\n: 2\n", "x.yaml:1: every key must be a word; put it in quotes if it is meant as text"),
        ("a: 1\n  b: 2\n", "x.yaml:2: not YAML: mapping values are not allowed here"),
        (
            "a: [1, 2\nb: 3\n",
            "x.yaml:2: not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "x.yaml:2: not YAML: expected a single document in the stream, but found another",
        ),
        (
            "a: 1\nb: \x07\n",
            "x.yaml:2: not YAML: unacceptable character #x0007: special characters are not allowed",
        ),
        ("[" * 5000, "x.yaml:1: nested deeper than 12 levels"),
        ("a: " + "{a: " * 5000, "x.yaml:1: nested deeper than 12 levels"),
    ],
    ids=lambda value: value[:40],
)
def test_a_refusal_names_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "x.yaml")
    assert message in str(caught.value)


def test_more_than_64_kib_is_refused_and_64_kib_is_read() -> None:
    filler = "# " + "x" * (MAX_BYTES - 3) + "\n"
    assert read_yaml(filler, "x.yaml").values == {}
    with pytest.raises(ConfigError, match=r"x\.yaml: 65537 bytes are more than a configuration can have"):
        read_yaml(filler + "\n", "x.yaml")


def test_a_merge_key_is_an_ordinary_key() -> None:
    assert read_yaml("<<: 1\n", "x.yaml").values == {"<<": 1}


@pytest.mark.parametrize("escape", [r"\UFFFFFFFF", r"\U00110000", r"\xZZ", r"\q"])
def test_an_impossible_escape_is_an_error_of_the_file(escape: str) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml.* not YAML"):
        read_yaml(f'a: "{escape}"', "x.yaml")


def test_a_caller_deep_in_the_stack_gets_an_error_of_the_file() -> None:
    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        else:
            read_yaml("a: [[[[[[[[[[1]]]]]]]]]]", "x.yaml")

    limit, depth = sys.getrecursionlimit(), 0
    frame: Any = sys._getframe()
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    with pytest.raises(ConfigError, match="not YAML"):
        descend(limit - depth - 21)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.dictionaries(st.text(), plain, max_size=5))
@example({"a": "\x85", "b": "\u2028", "c": "\r\n", "\x85": "\ufeff"})
@example({"a": "1e-3", "b": "no", "c": "0o17", "d": "1_0", "e": ".inf", "f": "null", "g": "", "h": "12:30"})
def test_what_is_written_is_read_back_equal(values: dict[str, Any]) -> None:
    assert read_yaml(write_yaml(values), "x.yaml").values == values


@given(st.text(alphabet="0123456789eE.+-_:xonfasetrul~", max_size=8))
def test_text_that_reads_like_something_else_stays_text_for_every_reader(text: str) -> None:
    written = write_yaml({"a": text})
    assert read_yaml(written, "x.yaml").values == {"a": text}
    assert stock_yaml.safe_load(written) == {"a": text}


def test_lists_are_written_in_brackets_and_keys_keep_their_order() -> None:
    assert (
        write_yaml({"b": [1, 0.5], "a": {"z": None, "y": 1e-6}})
        == "b: [1, 0.5]\na:\n  z: null\n  y: 1.0e-06\n"
    )


def outcome(text: str) -> object:
    """What is read, with its lines; or each problem."""
    try:
        document = read_yaml(text, "x.yaml")
    except ConfigError as error:
        return error.problems
    return repr(document.values), dict(document.lines)


PIECES = st.sampled_from(
    [
        *(
            "a: 1\n",
            "- b\n",
            " - c",
            "a",
            "1e3",
            ".5",
            "\n",
            "  ",
            "\t",
            ": ",
            "- ",
            "? ",
            "{",
            "}",
            "[",
            "]",
        ),
        *(
            ", ",
            "'",
            '"',
            "\\x",
            "# c\n",
            "---\n",
            "...\n",
            "%YAML 1.1\n",
            "|\n",
            "> ",
            "&a ",
            "*a",
            "!",
            "~",
        ),
        *("<<: ", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\ud800", "\r\n", "\u00e9"),
    ]
)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("a\t")
@example("\ufeff\ufeffa: 1")
@example("!.5!")
def test_libyaml_reads_what_the_parser_in_python_reads(text: str) -> None:
    """Most texts are parsed by libyaml where it is installed; no outcome may depend on that."""
    by_libyaml = outcome(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(stock_yaml, "CSafeLoader")
        assert by_libyaml == outcome(text)
