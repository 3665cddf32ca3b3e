"""Encoding an event of a run's log as one line of JSON, and decoding it with a reason for every refusal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from wmse_tui.runs.errors import EventError, NewerVersion
from wmse_tui.runs.log.events import TYPES, VERSION, Count, Event, Number, Record, Steps, Unknown

_HEADER = ("seq", "t", "attempt", "type")
_NO_EVENT = "a line of the log is no event"


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of every line, whatever its type."""

    seq: Annotated[int, Field(ge=1, lt=2**53)]
    t: Number
    attempt: Count
    type: str


def encode(record: Record) -> str:
    """The line of `record` without its newline: ASCII, no NaN, six significant digits in `steps`.

    Raises:
        EventError: a number that must be finite is not.
    """
    return join(record.seq, record.t, record.attempt, encode_event(record.event), version=record.v)


def encode_event(event: Event) -> str:
    """The JSON object of an event without its header, type first. Raises EventError."""
    return _json({"type": event.type, **as_dict(event)})


def join(seq: int, t: float, attempt: int, event: str, *, version: int = VERSION) -> str:
    """The line of an event that is encoded already."""
    header = _json({"v": version, "seq": seq, "t": round(t, 3), "attempt": attempt})
    return f"{header[:-1]},{event[1:]}"


def decode(line: str | bytes) -> Record:
    """The record of one line.

    Raises:
        NewerVersion: the line is of a later version.
        EventError: the line is no event, or a field is missing or of the wrong kind.
    """
    values = _values(line)
    record = plain_steps(values)
    if record is not None:
        return record
    header, payload = _split(values)
    kind = TYPES.get(header.type)
    event = Unknown(header.type, _json(payload)) if kind is None else _checked(kind, payload)
    return Record(VERSION, header.seq, header.t, header.attempt, event)


def plain_steps(values: Mapping[str, Any]) -> Record | None:
    """The record of a `steps` line as a writer makes it, checked without pydantic: most lines are such.

    None where anything is unusual, such as an integer among the floats: then pydantic decides.
    """
    get: Any = values.get
    if get("type") != "steps":
        return None
    v, seq, attempt, first = get("v"), get("seq"), get("attempt"), get("first")
    if not (type(v) is type(seq) is type(attempt) is type(first) is int):
        return None
    if not (v == VERSION and 1 <= seq < 2**53 and 0 <= attempt < 2**53 and 1 <= first < 2**53):
        return None
    t, loss, lr, parts = get("t"), get("loss"), get("lr", []), get("parts", {})
    speed = get("images_per_second")
    if not (type(loss) is type(lr) is list and type(parts) is dict):
        return None
    floats = [t, 0.0 if speed is None else speed, *loss, *lr]
    for name, part in parts.items():
        if type(part) is not list or not name.isascii():
            return None
        floats += part
    if set(map(type, floats)) != {float} or not math.isfinite(sum(floats)):  # a finite sum has finite parts
        return None
    pairs = tuple((name, tuple(part)) for name, part in parts.items())
    return Record(VERSION, seq, t, attempt, Steps(first, tuple(loss), tuple(lr), pairs, speed))


def _json(values: dict[str, Any]) -> str:
    try:
        return json.dumps(values, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:  # 1e999 is a number of JSON, and infinite here
        raise EventError(_NO_EVENT, str(error)) from None


def split(line: str | bytes) -> tuple[Header, dict[str, Any]]:
    """Header and fields of one line; the fields are not checked. Raises as `decode` does."""
    return _split(_values(line))


def _values(line: str | bytes) -> dict[str, Any]:
    """The JSON object in the line, by pydantic's fast parser or, where that fails, by the standard one."""
    try:
        values = from_json(line, allow_inf_nan=False)
    except ValueError:
        try:
            # A power cut can leave a hole of zero bytes, which the next line then follows.
            text = line.lstrip(b"\0").decode() if isinstance(line, bytes) else line
            values = _DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            raise EventError("a line of the log is not JSON", str(error)) from None
    if not isinstance(values, dict):
        raise EventError(_NO_EVENT, f"a JSON {type(values).__name__}, expected an object")
    return values


def _split(values: dict[str, Any]) -> tuple[Header, dict[str, Any]]:
    version = values.pop("v", None)
    if isinstance(version, int) and version > VERSION:
        raise NewerVersion(
            "the log was written by a later version of wmse-tui",
            f"events of version {version}; this program reads version {VERSION}",
            next=("update wmse-tui on this machine",),
        )
    if version != VERSION or isinstance(version, bool):
        raise EventError(_NO_EVENT, f"its version is {version!r}")
    header: Header = _checked(Header, values)
    for name in _HEADER:
        del values[name]
    return header, values


def as_dict(event: Any) -> dict[str, Any]:
    """The fields of an event (or of a part of one) as in JSON: plain and finite, text without surrogates."""
    if isinstance(event, Unknown):
        return dict(json.loads(event.payload))
    kind: Any = type(event)
    digits = 6 if kind is Steps else 9
    return {name: _plain(getattr(event, name), *how, digits) for name, how in _shape(kind).items()}


@cache
def _shape(kind: Any) -> dict[str, tuple[bool, bool, str]]:
    """For each field: is it an object in JSON, may it (or an item) be null, and its name in errors."""
    hints = get_type_hints(kind)
    return {
        f.name: (f.metadata.get("json") == "object", _allows_none(hints[f.name]), f"{kind.__name__}.{f.name}")
        for f in fields(kind)
    }


def _allows_none(hint: object) -> bool:
    return hint is NoneType or any(_allows_none(inner) for inner in get_args(hint))


def _plain(value: object, as_object: bool, optional: bool, name: str, digits: int) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()  # lone surrogates come from file names
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(f"{value:.{digits}g}")
        if optional:
            return None
        raise EventError("an event holds a number that is not finite", f"{name} is {value}")
    if isinstance(value, tuple) and as_object:
        return {key: _plain(item, False, optional, name, digits) for key, item in value}
    if isinstance(value, tuple):
        return [_plain(item, False, optional, name, digits) for item in value]
    if is_dataclass(value):
        return as_dict(value)
    raise EventError("an event holds something that JSON cannot", f"{name} is a {type(value).__name__}")


_adapter = cache(TypeAdapter[Any])


def _checked(kind: Any, values: Mapping[str, Any]) -> Any:
    try:
        return _adapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        name = "header" if kind is Header else kind.type
        raise EventError(_NO_EVENT, f"{name}.{path}: {first['msg']}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
