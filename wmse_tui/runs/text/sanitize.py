r"""Sanitised text of files, configurations and data, safe to print to a terminal.

A run's files may hold text of foreign origin: a class name, a path, a message of a library. Escape
sequences in it could set the clipboard or move the cursor, and invisible or right-to-left marks could make
one name look like another. They are shown instead (`\x1b`), never sent.
"""

from __future__ import annotations

import unicodedata

# Letters and marks that count as printable and show nothing: joiners, fillers, selectors.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0")

_TIME = 11  # characters of "0301-120000", the end of a generated id


def safe(text: str, limit: int | None = None) -> str:
    """`text` in one line of printable characters, at most `limit` of them (an ellipsis marks the cut)."""
    if limit is not None and len(text) > limit:
        cut = "".join(map(_shown, text[:limit]))
        return cut[: limit - 1] + "\u2026" if limit > 0 else ""
    shown = "".join(map(_shown, text))
    if limit is not None and len(shown) > limit:
        return shown[: limit - 1] + "\u2026" if limit > 0 else ""
    return shown


def without_middle(text: str, width: int) -> str:
    """`text` in at most `width` characters, its end among them: generated ids end with the time."""
    if len(text) <= width:
        return text
    end = min(_TIME, width * 6 // 10)
    return f"{text[: width - 1 - end]}\u2026{text[-end:]}" if end else safe(text, width)


def _shown(character: str) -> str:
    if character.isprintable() and character not in _INVISIBLE:
        return character
    if character in "\n\r\t" or unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return " "
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 0x7F else _hex(character)
    )


def _hex(character: str) -> str:
    return f"\\x{ord(character):02x}"
