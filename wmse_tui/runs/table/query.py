"""The filter of a list of runs: words, and fields with a value, all of which must match.

word              somewhere in id, title, preset, method, data set, tags, note, host or status
state:running     also `state:done` (completed), `state:active` (training), `state:ended`
tag:x             a tag that begins with x; likewise the other FIELDS
method:simclr,byol   one of several
-tag:x            must not match
knn:>80           above 80 %; likewise the other NUMBERS, with >, >=, <, <= or =
age:<1d           started less than a day ago: s, m, h, d or w
title:"two words"
"""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wmse_tui.config.problems import did_you_mean
from wmse_tui.runs.state.status import ACTIVE, ENDED, STATUSES
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.text.sanitize import safe

_PART = re.compile(r'(?P<minus>-?)(?:(?P<field>[A-Za-z]+):)?(?P<value>"[^"]*"?|\S*)')


STATUS_WORDS = (*STATUSES, "active", "ended", "done")
"""What `state:` accepts whole; it accepts the beginning of a status too."""


def _contains(texts: tuple[str, ...], value: str) -> bool:
    return any(value in text.lower() for text in texts)


def _begins(texts: tuple[str, ...], value: str) -> bool:
    return any(text.lower().startswith(value) for text in texts)


def _has_status(row: RunRow, value: str) -> bool:
    if value == "active":
        return row.status in ACTIVE
    if value == "ended":
        return row.status in ENDED
    return row.status.startswith("completed" if value == "done" else value)


FIELDS: Mapping[str, Callable[[RunRow, str], bool]] = {
    "state": _has_status,
    "tag": lambda row, value: _begins(row.tags, value),
    "method": lambda row, value: _begins((row.method,), value),
    "preset": lambda row, value: _contains((row.preset,), value),
    "data": lambda row, value: _contains((row.dataset,), value),
    "title": lambda row, value: _contains((row.title,), value),
    "note": lambda row, value: _contains((row.note,), value),
    "host": lambda row, value: _begins((row.host,), value),
    "verdict": lambda row, value: _begins((row.verdict,), value),
}


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction


NUMBERS: Mapping[str, Callable[[RunRow], float | None]] = {
    "knn": lambda row: _percent(row.final_knn),
    "linear": lambda row: _percent(row.final_linear),
    "bestknn": lambda row: _percent(row.best_knn),
    "bestlinear": lambda row: _percent(row.best_linear),
    "loss": lambda row: row.loss,
    "lr": lambda row: row.lr or None,
    "seed": lambda row: row.seed,
    "epoch": lambda row: row.epoch,
    "epochs": lambda row: row.epochs,
    "age": lambda row: None if row.started is None else time.time() - row.started,
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
_WITHOUT_COLON = re.compile(rf"({'|'.join(NUMBERS)})([<>]=?|=)(.*)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NUMBER = re.compile(r"(?P<sign>>=|<=|>|<|=|)(?P<number>[0-9.eE+-]+)(?P<unit>[smhdw%]?)")


@dataclass(frozen=True, slots=True)
class _Comparison:
    field: str
    sign: str
    number: float
    negative: bool

    def matches(self, row: RunRow) -> bool:
        value = NUMBERS[self.field](row)
        if value is None:
            return False
        return _COMPARISONS[self.sign](value, self.number) is not self.negative


def _comparison(field: str, value: str, *, negative: bool) -> _Comparison | None:
    found = _NUMBER.fullmatch(value)
    if found is None or (found["unit"] in _SECONDS) != (field == "age"):
        return None
    try:
        number = float(found["number"]) * _SECONDS.get(found["unit"], 1.0)
    except ValueError:
        return None
    return _Comparison(field, found["sign"] or "=", number, negative)


@dataclass(frozen=True, slots=True)
class _Part:
    field: str  # "": a word
    values: tuple[str, ...]  # lower case; one of them must match
    negative: bool

    def matches(self, row: RunRow) -> bool:
        if self.field:
            found = any(FIELDS[self.field](row, value) for value in self.values)
        else:
            found = _contains(_searched(row), self.values[0])
        return found is not self.negative


def _searched(row: RunRow) -> tuple[str, ...]:
    return (
        row.run_id,
        row.title,
        row.preset,
        row.method,
        row.dataset,
        row.note,
        row.host,
        row.status,
        *row.tags,
    )


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter; `problem` is a sentence on an unknown field, which is searched for as a word."""

    text: str = ""
    parts: tuple[_Part | _Comparison, ...] = ()
    problem: str = ""

    def matches(self, row: RunRow) -> bool:
        """Whether every part of the filter matches this run."""
        return all(part.matches(row) for part in self.parts)


def parse_query(text: str) -> Query:
    """The filter that has been typed so far; a field without a value yet is ignored."""
    parts: list[_Part | _Comparison] = []
    problem = ""
    for match in _PART.finditer(text.strip()):
        field, value = (match["field"] or "").lower(), match["value"].strip('"').lower()
        negative = bool(match["minus"])
        if field in NUMBERS:
            compared = _comparison(field, value, negative=negative)
            if compared is not None:
                parts.append(compared)
            elif value.strip("<>="):
                example = "age:<1d" if field == "age" else f"{field}:>0.5"
                problem = f"{field} is compared with a number, as in {example}"
            continue
        if field and field not in FIELDS:
            every = (*FIELDS, *NUMBERS)
            hint = did_you_mean(field, every) or f"there are {', '.join(every)}"
            problem = f"no field is called {safe(field, 20)}; {hint}"
            parts.append(_Part("", (f"{field}:{value}",), negative))
            continue
        without_colon = _WITHOUT_COLON.fullmatch(value) if not field else None
        if without_colon is not None:
            problem = f"write {without_colon[1]}:{safe(without_colon[2] + without_colon[3], 20)}"
        values = tuple(filter(None, value.split(","))) if field else (value,)
        if value and values:
            parts.append(_Part(field, values, negative))
    return Query(text.strip(), tuple(parts), problem)
