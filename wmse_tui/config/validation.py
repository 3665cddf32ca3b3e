"""Turns each error of pydantic into a `Problem` with its next step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wmse_tui.config.names import choices_of, field_of, suggestion, unions
from wmse_tui.config.problems import Problem, did_you_mean, quoted

MOST = 100


def validation_problems(error: ValidationError, values: Mapping[str, Any]) -> tuple[Problem, ...]:
    """The problems in an error that was raised for `values`: the first `MOST`, and how many more."""
    details = error.errors(include_url=False)
    problems = [_problem(detail, values) for detail in details[:MOST]]
    if len(details) > MOST:
        problems.append(Problem("", f"and {len(details) - MOST} more problems"))
    return tuple(problems)


def _problem(detail: ErrorDetails, values: Mapping[str, Any]) -> Problem:
    path = _dotted(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return _unknown(detail, path, values)
    if detail["type"] in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
        return _no_choice(detail, path)
    describe = _MESSAGES.get(detail["type"])
    message = f"{detail['msg']}, got {quoted(detail['input'])}" if describe is None else describe(detail)
    return Problem(path, message, _hint(detail, path))


def _dotted(loc: tuple[int | str, ...]) -> str:
    """pydantic's location as a dotted path; the tag that it inserts after the name of a union is left out."""
    parts = [str(part) for part in loc]
    if len(parts) > 1 and parts[0] in unions():
        del parts[1]
    return ".".join(parts)


def _unknown(detail: ErrorDetails, path: str, values: Mapping[str, Any]) -> Problem:
    key = str(detail["loc"][-1])
    if path == "extends":
        return Problem(path, "a complete configuration extends nothing", "remove it")
    if not key.isprintable():
        return Problem(path, f"unknown key {quoted(key)}")
    if "." in key:
        outer, _, inner = key.partition(".")
        return Problem(
            path, "a key cannot have a dot", f"write `{outer}:` and, indented below it, `{inner}:`"
        )
    return Problem(path, "unknown key", suggestion(path, values))


def _no_choice(detail: ErrorDetails, path: str) -> Problem:
    found: object = detail["input"]
    if path in unions():
        tag = unions()[path].tag
        path, found = f"{path}.{tag}", found.get(tag) if isinstance(found, Mapping) else found
    choices = choices_of(path)
    message = f"expected one of {', '.join(choices)}, got {quoted(found)}"
    return Problem(path, message, did_you_mean(found, choices) if isinstance(found, str) else "")


def _hint(detail: ErrorDetails, path: str) -> str:
    """The fix of a usual mistake: a number in quotes, `yes` for true, a bare name for a section."""
    found = detail["input"]
    if not isinstance(found, str):
        return ""
    if detail["type"] == "bool_type" and found.lower() in ("yes", "on", "no", "off"):
        return f"write {'true' if found.lower() in ('yes', 'on') else 'false'}"
    if path in unions() and found in unions()[path].classes:
        return f"write {unions()[path].tag}: {found} below it"
    try:
        float(found)
    except ValueError:
        return ""
    return "write it without quotes" if detail["type"] in ("int_type", "float_type") else ""


def _expected(what: str) -> Callable[[ErrorDetails], str]:
    return lambda detail: f"expected {what}, got {quoted(detail['input'])}"


def _bound(words: str, key: str) -> Callable[[ErrorDetails], str]:
    return lambda detail: f"must be {words} {detail['ctx'][key]:.10g}, got {quoted(detail['input'])}"


def _length(words: str, key: str, of: str) -> Callable[[ErrorDetails], str]:
    return lambda detail: f"expected {words} {detail['ctx'][key]} {of}, got {quoted(detail['input'])}"


def _pattern(detail: ErrorDetails) -> str:
    field = field_of(_dotted(detail["loc"]))
    examples = [] if field is None else field.examples or []
    return f"expected something like {', '.join(map(str, examples))}, got {quoted(detail['input'])}"


_SECTION = _expected("a section of keys and values")
_MESSAGES: Mapping[str, Callable[[ErrorDetails], str]] = {
    "missing": lambda _: "is missing",
    "int_type": _expected("a whole number"),
    "float_type": _expected("a number"),
    "finite_number": _expected("a finite number"),
    "bool_type": _expected("true or false"),
    "string_type": _expected("text"),
    "string_unicode": _expected("text"),
    "path_type": _expected("the path of a folder"),
    "tuple_type": _expected("a list in brackets"),
    "model_type": _SECTION,
    "model_attributes_type": _SECTION,
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "too_short": _length("at least", "min_length", "entries"),
    "too_long": _length("at most", "max_length", "entries"),
    "string_too_long": _length("at most", "max_length", "characters"),
    "string_pattern_mismatch": _pattern,
}
