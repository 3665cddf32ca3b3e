"""Text in lines of some width."""

from __future__ import annotations

import pytest
from textual.content import Content

from wmse_tui.tui.widgets.wrapping import wrapped, wrapped_content, wrapped_lines


@pytest.mark.parametrize(
    ("text", "width", "indent", "parts"),
    [
        ("", 10, 2, [""]),
        ("short", 10, 2, ["short"]),
        ("one two three", 8, 2, ["one two", "three"]),
        ("abcdefghijklmnop", 6, 2, ["abcdef", "ghij", "klmn", "op"]),
        ("漢字漢字漢字", 5, 1, ["漢字", "漢字", "漢字"]),
        ("漢", 1, 0, ["漢"]),
        # A number stays with its unit, and with both units of a duration.
        ("Ready to launch. About 4 min 39 s.", 32, 0, ["Ready to launch. About", "4 min 39 s."]),
        ("top-5 accuracy 100.00 %", 21, 2, ["top-5 accuracy", "100.00 %"]),
        ("12 MB of 3 epochs", 11, 0, ["12 MB of 3", "epochs"]),
    ],
)
def test_wrapping_counts_cells(text: str, width: int, indent: int, parts: list[str]) -> None:
    assert [text[begin:end] for begin, end in wrapped(text, width, indent)] == parts


def test_its_own_lines_stay_lines() -> None:
    assert wrapped_lines("i computes parameters, GFLOP", 21) == ["i computes", "parameters, GFLOP"]
    assert wrapped_lines("one two\n\nthree", 5) == ["one", "two", "", "three"]


def test_content_is_wrapped_with_its_styles() -> None:
    content = Content.assemble(("healthy", "bold"), "  the effective rank is 10.1, 34 % of that\ntry it")
    lines = wrapped_content(content, 40).split("\n")
    assert [line.plain for line in lines] == [
        "healthy  the effective rank is 10.1,",
        "34 % of that",
        "try it",
    ]
    assert [span.style for line in lines for span in line.spans] == ["bold"]
