"""The three themes: dark, light, and one with the terminal's own colours.

Each colour of dark and light is one of the 256 of xterm (`xterm_colours`), so they look the same with and
without truecolor.
"""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

NAMES = {"dark": "wmse-dark", "light": "wmse-light", "terminal": "wmse-terminal"}

_DARK = Theme(
    name="wmse-dark",
    primary="#87afff",
    secondary="#5fafd7",
    accent="#ffaf00",
    warning="#d7af5f",
    error="#ff8787",
    success="#5fd7af",
    foreground="#e4e4e4",
    background="#121212",
    surface="#1c1c1c",
    panel="#262626",
    dark=True,
    variables={
        "footer-key-foreground": "#ffaf00",
        "border-blurred": "#4e4e4e",
        "border": "#87afff",
        # Textual's own are `auto 60%`, which its Content draws in full white.
        "text-muted": "#a8a8a8",
        "text-disabled": "#808080",
        "foreground-muted": "#a8a8a8",
        "scrollbar": "#626262",
        "scrollbar-background": "#1c1c1c",
        "scrollbar-corner-color": "#1c1c1c",
        "block-cursor-foreground": "#121212",
        "block-cursor-background": "#87afff",
        "block-cursor-blurred-foreground": "#e4e4e4",
        "block-cursor-blurred-background": "#444444",
        "link-style": "none",
        "link-color": "#a8a8a8",
    },
)

_LIGHT = Theme(
    name="wmse-light",
    primary="#005faf",
    secondary="#0087af",
    accent="#875f00",
    warning="#875f00",
    error="#af0000",
    success="#005f00",
    foreground="#1c1c1c",
    background="#ffffff",
    surface="#eeeeee",
    panel="#e4e4e4",
    dark=False,
    variables={
        "footer-key-foreground": "#875f00",
        "border-blurred": "#b2b2b2",
        "border": "#005faf",
        "text-muted": "#585858",
        "text-disabled": "#767676",
        "foreground-muted": "#585858",
        "scrollbar": "#9e9e9e",
        "scrollbar-background": "#eeeeee",
        "scrollbar-corner-color": "#eeeeee",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-background": "#005faf",
        "block-cursor-blurred-foreground": "#1c1c1c",
        "block-cursor-blurred-background": "#d0d0d0",
        "link-style": "none",
        "link-color": "#585858",
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
        # Black, which is Textual's own, is the background of most terminals.
        "border": "ansi_default",
        "border-blurred": "ansi_default",
        "scrollbar": "ansi_default",
        "foreground-muted": "ansi_default",
        "link-style": "none",
        "link-color": "ansi_default",
    },
)

THEMES = (_DARK, _LIGHT, _TERMINAL)
