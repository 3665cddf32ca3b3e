"""The five screens of the app by name, each with its key and its title."""

from __future__ import annotations

from typing import Literal

ScreenName = Literal["configure", "monitor", "runs", "compare", "paper"]
SCREENS: tuple[tuple[str, ScreenName, str], ...] = (
    ("1", "configure", "Configure"),
    ("2", "monitor", "Monitor"),
    ("3", "runs", "Runs"),
    ("4", "compare", "Compare"),
    ("5", "paper", "Paper"),
)
