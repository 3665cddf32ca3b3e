"""The problems of a configuration as messages: where, what, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of one configuration.

    Args:
        path: dotted name of the option (`method.whitening_size`); empty for the whole file.
        message: what is wrong, with the value that was found.
        fix: what to do about it, or empty.
        line: line of the file, counted from 1.
        source: the file as the user named it, or the flag (`--set optimizer.lr`).
        values: options and the values, as text, that follow `fix`; empty where a person must decide.
    """

    path: str
    message: str
    fix: str = ""
    line: int | None = None
    source: str | None = None
    values: tuple[tuple[str, str], ...] = ()

    def text(self) -> str:
        """One line: `stl10.yaml:14: method.whitening_size: 64 images cannot whiten 64 dimensions; ...`."""
        where = "" if self.source is None else self.source
        if where and self.line is not None:
            where = f"{where}:{self.line}"
        path = "" if where in (f"--set {self.path}", f"--sweep {self.path}") else self.path
        parts = [part for part in (where, path, self.message) if part]
        return ": ".join(parts) + (f"; {self.fix}" if self.fix else "")


class ExplainedError(Exception):
    """A failure with its explanation, for a user.

    Args:
        title: what happened, in one line.
        detail: the evidence: where, which value, what was expected.
        next: what the user can do, most promising first.
    """

    code = "E_INTERNAL"

    def __init__(self, title: str, detail: str = "", *, next: tuple[str, ...] = ()) -> None:  # noqa: A002
        super().__init__(title if not detail else f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.next = next


class ConfigError(Exception):
    """A configuration that cannot be run; `problems` has all that were found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.text() for problem in self.problems))


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most similar to `name`, or None when none is similar."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return close[0] if close else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """`did you mean ...?`, or an empty text when nothing is near."""
    guess = nearest(name, valid)
    return "" if guess is None else f"did you mean {guess}?"


_WORDS = {None: "null", True: "true", False: "false"}


def quoted(value: object, limit: int = 60) -> str:
    """A value from a file as it appears in a message: quoted, escaped, and short."""
    text = _WORDS[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
