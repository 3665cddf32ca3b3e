"""The filter of the list of runs: words, and fields with a value, all of which must hold.

word              somewhere in id, title, preset, method, data set, tags, note, host or state
state:running     also `state:done` (completed), `state:active` (being trained), `state:ended`
tag:x             a tag that begins so; likewise the other FIELDS
method:simclr,byol   one of several
-tag:x            what must not hold
title:"two words"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wmse_tui.config.problems import did_you_mean
from wmse_tui.runs.state.status import ACTIVE, ENDED
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe

_PART = re.compile(r'(?P<minus>-?)(?:(?P<field>[A-Za-z]+):)?(?P<value>"[^"]*"?|\S*)')


def _contains(texts: tuple[str, ...], value: str) -> bool:
    return any(value in text.lower() for text in texts)


def _begins(texts: tuple[str, ...], value: str) -> bool:
    return any(text.lower().startswith(value) for text in texts)


def _state(digest: RunRow, value: str) -> bool:
    if value == "active":
        return digest.status in ACTIVE
    if value == "ended":
        return digest.status in ENDED
    return digest.status.startswith("completed" if value == "done" else value)


FIELDS: Mapping[str, Callable[[RunRow, str], bool]] = {
    "state": _state,
    "tag": lambda digest, value: _begins(digest.tags, value),
    "method": lambda digest, value: _begins((digest.method,), value),
    "preset": lambda digest, value: _contains((digest.preset,), value),
    "data": lambda digest, value: _contains((digest.dataset,), value),
    "title": lambda digest, value: _contains((digest.title,), value),
    "note": lambda digest, value: _contains((digest.note,), value),
    "host": lambda digest, value: _begins((digest.host,), value),
    "verdict": lambda digest, value: _begins((digest.verdict,), value),
}


@dataclass(frozen=True, slots=True)
class _Part:
    field: str  # "": a word
    values: tuple[str, ...]  # lower case; one of them must hold
    negative: bool

    def holds(self, digest: RunRow) -> bool:
        if self.field:
            found = any(FIELDS[self.field](digest, value) for value in self.values)
        else:
            found = _contains(_texts(digest), self.values[0])
        return found is not self.negative


def _texts(digest: RunRow) -> tuple[str, ...]:
    return (
        digest.run_id,
        digest.title,
        digest.preset,
        digest.method,
        digest.dataset,
        digest.note,
        digest.host,
        digest.status,
        *digest.tags,
    )


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter; `problem` is a sentence on what in it cannot be meant, and is searched as a word."""

    text: str = ""
    parts: tuple[_Part, ...] = ()
    problem: str = ""

    def matches(self, digest: RunRow) -> bool:
        """Whether every part of the filter holds for this run."""
        return all(part.holds(digest) for part in self.parts)


def parse_query(text: str) -> Query:
    """The filter that a person has typed so far; a field without a value yet is passed over."""
    parts: list[_Part] = []
    problem = ""
    for match in _PART.finditer(text.strip()):
        field, value = (match["field"] or "").lower(), match["value"].strip('"').lower()
        negative = bool(match["minus"])
        if field and field not in FIELDS:
            hint = did_you_mean(field, FIELDS) or f"there are {', '.join(FIELDS)}"
            problem = f"no field is called {safe(field, 20)}; {hint}"
            parts.append(_Part("", (f"{field}:{value}",), negative))
            continue
        values = tuple(filter(None, value.split(","))) if field else (value,)
        if value and values:
            parts.append(_Part(field, values, negative))
    return Query(text.strip(), tuple(parts), problem)
