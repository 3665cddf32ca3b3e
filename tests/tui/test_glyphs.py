"""ASCII mode: what reaches the terminal is ASCII, and every column stays where it was."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import ControlType, Segment
from rich.style import Style
from textual.color import Color

from wmse_tui.tui.glyphs import AsciiFilter, ascii_wanted, to_ascii


@given(st.text())
def test_any_text_becomes_ascii_of_the_same_width(text: str) -> None:
    mapped = to_ascii(text)
    assert mapped.isascii()
    assert cell_len(mapped) == cell_len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("╭─ Loss ─╮", "+- Loss -+"),
        ("│█▌▁│", "|##_|"),
        ("▲▼▶◀", "^v><"),
        ("12 °C ± 3 µs…", "12 oC+/-3 us."),
        ("x ≤ 5, y ≥ 6", "x <=5, y >=6"),
        ("漢字", "????"),
    ],
)
def test_what_resembles_is_taken(text: str, expected: str) -> None:
    assert to_ascii(text) == expected


@pytest.mark.parametrize(("good", "bad"), [("✓", "✗"), ("≤", "<"), ("≥", ">"), ("●", "○")])
def test_symbols_of_another_meaning_differ(good: str, bad: str) -> None:
    assert to_ascii(f"a {good} b") != to_ascii(f"a {bad} b")


def test_the_filter_keeps_styles_and_leaves_control_codes_alone() -> None:
    control = Segment("\x07é", None, [(ControlType.BELL,)])
    styled = Segment("─é", Style(bold=True))
    assert AsciiFilter().apply([control, styled], Color(0, 0, 0)) == [
        control,
        Segment("-?", Style(bold=True)),
    ]


class Stream:
    def __init__(self, encoding: str | None) -> None:
        self.encoding = encoding


@pytest.mark.parametrize(
    ("setting", "encoding", "wanted"),
    [
        (None, "utf-8", False),
        (None, "UTF8", False),
        (None, "ascii", True),
        (None, "ISO-8859-1", True),
        (None, None, True),
        (True, "utf-8", True),
        (False, "ascii", False),
    ],
)
def test_the_setting_wins_and_else_the_encoding_decides(
    setting: bool | None, encoding: str | None, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.__stderr__", Stream(encoding))
    assert ascii_wanted(setting) is wanted


def test_every_character_that_the_app_draws_resembles_one_of_ascii() -> None:
    """Those in the texts of the package; a question mark would stand for any."""
    package = Path(__file__).parents[2] / "wmse_tui"
    folders = ("tui", "runs/state")
    texts = {
        node.value
        for folder in folders
        for file in (package / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    foreign = {character for text in texts for character in text if not character.isascii()}
    unreadable = "\ufffd"  # what it stands for is not known
    assert {one for one in foreign - {unreadable} if "?" in to_ascii(f" {one} ")} == set()
