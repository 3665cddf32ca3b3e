"""Which beat a link gets."""

from __future__ import annotations

import pytest

from wmse_tui.tui.refresh import LOCAL, SLOW, RefreshRates, choose_rates


@pytest.mark.parametrize(
    ("profile", "environ", "rates"),
    [
        ("auto", {}, LOCAL),
        ("auto", {"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, SLOW),
        ("auto", {"SSH_TTY": "/dev/pts/3"}, SLOW),
        ("auto", {"SSH_TTY": ""}, LOCAL),
        ("local", {"SSH_TTY": "/dev/pts/3"}, LOCAL),
        ("slow", {}, SLOW),
    ],
)
def test_a_remote_terminal_has_slow_rates_unless_the_settings_differ(
    profile: str, environ: dict[str, str], rates: RefreshRates
) -> None:
    assert choose_rates(profile, environ) is rates


def test_a_step_is_on_the_screen_in_time_on_both_links() -> None:
    """The trainer writes a step within a second; looking and drawing come on top."""
    assert 1.0 + LOCAL.poll / 2 + LOCAL.text / 2 <= 2.0
    assert 1.0 + SLOW.poll + SLOW.text <= 4.0
