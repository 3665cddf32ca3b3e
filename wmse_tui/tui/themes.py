"""The three themes: dark, light, and one with the terminal's own colours."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

NAMES = {"dark": "wmse-dark", "light": "wmse-light", "terminal": "wmse-terminal"}

_DARK = Theme(
    name="wmse-dark",
    primary="#7cb7ff",
    secondary="#56b4e9",
    accent="#e69f00",
    warning="#e6b450",
    error="#ff7a6b",
    success="#4fc79a",
    foreground="#dfe3ea",
    background="#0f1318",
    surface="#161b22",
    panel="#1f2630",
    dark=True,
    variables={
        "footer-key-foreground": "#e69f00",
        "border-blurred": "#303a47",
        "border": "#7cb7ff",
        # Textual's own are `auto 60%`, which its Content draws in full white.
        "text-muted": "#98a1ad",
        "text-disabled": "#737d8a",
    },
)

_LIGHT = Theme(
    name="wmse-light",
    primary="#0a5ea8",
    secondary="#0072b2",
    accent="#9a5b00",
    warning="#8a5a00",
    error="#b3261e",
    success="#00674a",
    foreground="#1b1f24",
    background="#fbfbf8",
    surface="#f2f2ed",
    panel="#e6e6df",
    dark=False,
    variables={
        "footer-key-foreground": "#9a5b00",
        "border-blurred": "#c4c4bb",
        "border": "#0a5ea8",
        "text-muted": "#575c63",
        "text-disabled": "#767b82",
    },
)

_ANSI = BUILTIN_THEMES["ansi-dark"]
_TERMINAL = Theme(
    name="wmse-terminal",
    primary=_ANSI.primary,
    secondary=_ANSI.secondary,
    accent="ansi_yellow",
    warning=_ANSI.warning,
    error=_ANSI.error,
    success=_ANSI.success,
    foreground=_ANSI.foreground,
    background=_ANSI.background,
    surface=_ANSI.surface,
    panel=_ANSI.panel,
    boost=_ANSI.boost,
    ansi=True,
    dark=True,
    variables={
        **_ANSI.variables,
        # Cursors are marked by text styles instead of colours: there may be none (NO_COLOR), and white is
        # invisible on a terminal with a light background.
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_default",
        "block-cursor-text-style": "bold reverse",
        "block-cursor-blurred-text-style": "bold underline",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-text-style": "reverse",
    },
)

THEMES = (_DARK, _LIGHT, _TERMINAL)
