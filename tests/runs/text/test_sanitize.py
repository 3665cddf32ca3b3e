"""Text for a terminal: one line, only printable characters, whatever went in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.text.sanitize import safe, shortened_apart, without_middle

anything = st.text(st.characters(codec=None), max_size=60)  # surrogates included


@given(text=anything)
def test_every_character_that_comes_out_is_printable(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown


@given(text=anything, limit=st.integers(0, 30))
def test_the_limit_holds_and_a_cut_is_marked(text: str, limit: int) -> None:
    shown = safe(text, limit)
    assert len(shown) <= limit
    assert shown == safe(text) or shown.endswith("\u2026") or limit == 0


@given(text=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs"))))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;cHduZWQ=\x07", r"\x1b]52;c;cHduZWQ=\x07"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\x7fb\0", r"a\x7fb\x00"),
        ("two\nlines\tand\u2028a third", "two lines and a third"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("ad\u200bmin\u2066x", r"ad\u200bmin\u2066x"),
        ("\U000e0041tag", r"\U000e0041tag"),
        ("caf\udce9", r"caf\udce9"),
        ("hangul\u3164filler", r"hangul\u3164filler"),
        ("no-break\u00a0space", "no-break space"),
        ("Grüße, 世界 🙂", "Grüße, 世界 🙂"),
    ],
)
def test_what_could_act_or_hide_is_shown_instead(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_the_ellipsis_stands_for_the_cut() -> None:
    assert safe("abcdef", 4) == "abc\u2026"
    assert safe("abcd", 4) == "abcd"
    assert safe("\x1b\x1b", 4) == "\\x1\u2026"


@given(text=st.text(max_size=60), width=st.integers(0, 40))
def test_a_text_without_its_middle_fits_and_is_whole_where_it_can_be(text: str, width: int) -> None:
    shown = without_middle(text, width)
    assert len(shown) <= width
    assert shown == text or len(text) > width


@given(texts=st.lists(st.text("ab1", max_size=20), max_size=5), width=st.integers(0, 24))
def test_texts_shortened_apart_fit_and_equal_ones_stay_equal(texts: list[str], width: int) -> None:
    shown = shortened_apart(texts, width)
    assert all(len(text) <= width for text in shown)
    assert len(set(shown)) <= len(set(texts))
    assert all(text == short or len(text) > width for text, short in zip(texts, shown, strict=True))


@pytest.mark.parametrize(
    ("texts", "width"),
    [
        (["quickstart-a k-NN", "quickstart-b k-NN", "quickstart-a Linear", "quickstart-b Linear"], 9),
        ([f"cifar10-w_mse-lr{lr}-seed1-20260301-120000" for lr in (0.1, 0.2)] + ["short"], 14),
        ([f"{'a' * 40}{run}{'b' * 40}" for run in range(8)], 12),
    ],
)
def test_different_texts_stay_different_wherever_they_differ(texts: list[str], width: int) -> None:
    shown = shortened_apart(texts, width)
    assert len(set(shown)) == len(texts)
    assert max(map(len, shown)) <= width


def test_ids_of_one_preset_are_distinguished_by_their_end() -> None:
    assert without_middle("cifar10-wmse4-20260301-120000", 20) == "cifar10-…0301-120000"
    assert without_middle("cifar10-wmse4-20260301-120000", 12) == "cifa…-120000"
    assert without_middle("short", 5) == "short"
