r"""Sanitised text of files, configurations and data, safe to print to a terminal.

A run's files may hold text of foreign origin: a class name, a path, a message of a library. Escape
sequences in it could set the clipboard or move the cursor, and invisible or right-to-left marks could make
one name look like another. They are shown instead (`\x1b`), never sent.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import count

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
    return shortened_apart((text,), width)[0]


def shortened_apart(texts: Sequence[str], width: int, *, dots: str = "\u2026") -> tuple[str, ...]:
    """`texts` in at most `width` characters each, cut so that different ones stay different where possible.

    As by `without_middle` where that is enough; else those that would be alike are cut elsewhere, or lose
    their common beginning.
    """
    if width < len(dots):
        return tuple(text[: max(0, width)] for text in texts)
    usual = min(_TIME, width * 6 // 10, width - len(dots))
    shown = {text: _cut(text, width, usual, dots) for text in texts}
    alike: dict[str, list[str]] = {}
    for text, short in shown.items():
        alike.setdefault(short, []).append(text)
    for group in alike.values():
        if len(group) > 1:
            shown.update(zip(group, _apart(group, width, usual, dots), strict=True))
    return tuple(shown[text] for text in texts)


def _apart(texts: Sequence[str], width: int, usual: int, dots: str) -> tuple[str, ...]:
    """The way to shorten `texts` by which most stay different."""
    common = next(at for at in count() if len({text[: at + 1] for text in texts}) > 1)
    rest = tuple(dots + text[common:] for text in texts)
    tails = sorted(range(width - len(dots) + 1), key=lambda tail: abs(tail - usual))
    candidates = [
        tuple(_cut(text, width, tail, dots) for text in chosen) for chosen in (texts, rest) for tail in tails
    ]
    return max(candidates, key=lambda candidate: len(set(candidate)))


def _cut(text: str, width: int, tail: int, dots: str) -> str:
    """`text` in at most `width` characters, so many of its end among them."""
    if len(text) <= width:
        return text
    return text[: width - len(dots) - tail] + dots + text[len(text) - tail :]


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
