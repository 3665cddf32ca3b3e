"""The digest of a log: the state that it folds to, in a file beside it, which saves folding it again.

    wmse-tui digest FORMAT HEAD_BYTES HEAD_SHA256
    head    JSON: how far the log was read, what a list shows of the run, all that is not by step or event
    body    the series as doubles, then the histories of events as JSON

A digest can be lost, damaged or out of date at no cost but time: readers continue from its position in the
log, and read the log from its start where the digest is not whole, of another format, or not of this log.
Its content is as trustworthy as the log, which has the same owner, and is checked like it: by type, size and
finiteness.

The format is this module's own: a number, raised when a state means something else, and a checksum of the
fields of everything in it. So a version that reads more from a log uses no digest of one that read less.
"""

from __future__ import annotations

import hashlib
import math
import sys
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import chain
from typing import Any, BinaryIO, get_args, get_type_hints

from pydantic import TypeAdapter
from pydantic_core import from_json

from wmse_tui.config.yaml import MAX_BYTES
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import (
    TYPES,
    Artifact,
    Checkpoint,
    Control,
    Count,
    DamagedFile,
    Diagnostics,
    Epoch,
    Evaluation,
    Notice,
    Resources,
)
from wmse_tui.runs.log.reader import LogPosition
from wmse_tui.runs.run_folder import RunFolder, read_file
from wmse_tui.runs.state.config import ConfigSummary, summarise
from wmse_tui.runs.state.highlights import Highlights, highlights_of
from wmse_tui.runs.state.history import History
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.series import Series
from wmse_tui.runs.state.sparse_series import SparseSeries

FORMAT = 1

_MARK = "wmse-tui digest"
_LINE = 200  # bytes of the first line at most
_LONGEST_HEAD = 1024 * 1024  # bytes
_SPARE = 256 * 1024  # bytes that a digest may have beyond twice those of its log
_SPARSE = ("rates", "speeds", "clock")
_OF_VIEWER = ("run_id", "path", "summary", "status", "status_reason", "position", "missing")


@dataclass(frozen=True, slots=True)
class _Histories:
    epoch_rows: tuple[Epoch, ...]
    evaluations: tuple[Evaluation, ...]
    diagnostics: tuple[Diagnostics, ...]
    resource_rows: tuple[Resources, ...]
    artifacts: tuple[Artifact, ...]
    checkpoints: tuple[Checkpoint, ...]
    notices: tuple[Notice, ...]
    damaged_files: tuple[DamagedFile, ...]
    controls: tuple[Control, ...]


_HISTORIES = tuple(field.name for field in fields(_Histories))
_PLAIN = ("resource_rows", "notices", "damaged_files", "controls")  # which are tuples in a state
_BULK = frozenset({"loss", *_SPARSE, *_HISTORIES})
_SCALARS = tuple(field.name for field in fields(RunState) if field.name not in {*_BULK, *_OF_VIEWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    position: LogPosition
    config: str
    summary: ConfigSummary
    highlights: Highlights
    state: RunState  # without _BULK and _OF_VIEWER
    last_step: Count  # of the loss
    lengths: tuple[Count, ...]  # bytes of each series in the body
    body: Count  # bytes
    body_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A state, and how far its log had been read for it.

    Args:
        position: in the log.
        state: what the log folds to; of a brief digest, without series and histories.
        highlights: of the state; None where it was made with another `config.yaml` than the run has now.
    """

    position: LogPosition
    state: RunState
    highlights: Highlights | None


def write_digest(run: RunDirectory, position: LogPosition, state: RunState) -> int:
    """Store the digest of a log that was read up to `position`; returns its bytes, 0 where it is too large.

    Nothing is synced: after a power cut the file may be damaged, which readers find.

    Raises:
        OSError: the disk does not accept it.
        ValueError: a text in the log cannot be encoded.
    """
    histories = _Histories(**{name: tuple(getattr(state, name)) for name in _HISTORIES})
    series = [list(getattr(state, name).parts()) for name in ("loss", *_SPARSE)]
    parts = [*series, [_histories().dump_json(histories)]]
    lengths = [sum(map(len, part)) for part in parts]
    checksum = hashlib.sha256()
    for content in chain.from_iterable(parts):
        checksum.update(content)
    head = _Head(
        position=position,
        config=_config_sha256(run),
        summary=state.summary,
        highlights=highlights_of(state),
        state=state,
        last_step=state.loss.last_step,
        lengths=tuple(lengths[:-1]),
        body=sum(lengths),
        body_sha256=checksum.hexdigest(),
    )
    encoded = _heads().dump_json(head, exclude={"state": {*_BULK, *_OF_VIEWER}})
    line = f"{_MARK} {_format()} {len(encoded)} {hashlib.sha256(encoded).hexdigest()}\n".encode()
    if len(encoded) > _LONGEST_HEAD or head.body > _largest_body(position.point.offset):
        return 0
    with RunFolder(run.path, own=True) as folder:
        folder.publish(run.digest.name, line, encoded, *chain.from_iterable(parts), sync=False)
    return len(line) + len(encoded) + head.body


def read_digest(run: RunDirectory, *, brief: bool = False) -> Digest | None:
    """The digest beside the log of `run`; None where there is none that can be used. Never raises.

    Whether the log still is the one that the digest was made of shows at its position (`EventReader.resume`).

    Args:
        run: the run.
        brief: without series and histories, which are the most of it.
    """
    with suppress(OSError, ValueError), RunFolder(run.path) as folder:  # ValidationError is a ValueError
        log_bytes = folder.status(run.events.name).st_size
        with folder.open(run.digest.name) as file:
            head = _read_head(file)
            if head.position.point.offset > log_bytes:
                return None
            bulk = {} if brief else _read_body(file, head, _largest_body(log_bytes))
        same = head.config == _config_sha256(run)
        summary = head.summary if same else summarise(run.config)
        values = {name: getattr(head.state, name) for name in _SCALARS}
        state = RunState(run_id=run.id, path=str(run.path), summary=summary, **values, **bulk)
        return Digest(position=head.position, state=state, highlights=head.highlights if same else None)
    return None


def _read_head(file: BinaryIO) -> _Head:
    """The checked head. Raises ValueError, OSError."""
    begin = f"{_MARK} {_format()} "
    line = file.readline(_LINE).decode("ascii")
    length, _, checksum = line.removeprefix(begin).rstrip("\n").partition(" ")
    if not line.startswith(begin) or int(length) > _LONGEST_HEAD:
        raise ValueError("this is no digest of this format")
    content = file.read(int(length))
    if hashlib.sha256(content).hexdigest() != checksum:
        raise ValueError("the head of the digest is damaged")
    _require_numbers(from_json(content))
    head: _Head = _heads().validate_json(content)
    return head


def _read_body(file: BinaryIO, head: _Head, largest: int) -> dict[str, Any]:
    """Series and histories by their names. Raises ValueError, OSError."""
    if head.body > largest:
        raise ValueError(f"{head.body} bytes are more than a log of that length needs")
    content = file.read(head.body)
    if hashlib.sha256(content).hexdigest() != head.body_sha256 or len(head.lengths) != 1 + len(_SPARSE):
        raise ValueError("the body of the digest is damaged")
    found: dict[str, Any] = {}
    view, end = memoryview(content), 0
    for name, length in zip(("loss", *_SPARSE), head.lengths, strict=True):
        begin, end = end, end + length
        part = view[begin:end]
        found[name] = Series.restored(part, head.last_step) if name == "loss" else SparseSeries.restored(part)
    histories = _histories().validate_json(content[end:])
    for name in _HISTORIES:
        events = getattr(histories, name)
        found[name] = events if name in _PLAIN else History.of(events)
    return found


def _require_numbers(value: object) -> None:
    """Raise ValueError for a number that no log leads to: negative, huge, or not finite."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _require_numbers(item)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not finite")
    elif isinstance(value, int) and not 0 <= value < 2**53:
        raise ValueError("an integer is out of range")


def _largest_body(log_bytes: int) -> int:
    """Bytes that a log of that length can need: a step is as long in the log as in the series."""
    return 2 * log_bytes + _SPARE


def _config_sha256(run: RunDirectory) -> str:
    """The checksum of the configuration; "" where it cannot be read."""
    try:
        return hashlib.sha256(read_file(run.config, MAX_BYTES)).hexdigest()
    except OSError:
        return ""


@cache
def _format() -> str:
    """The format: number, checksum of all fields, byte order."""
    kinds = sorted(dataclasses_in(*TYPES.values(), _Head, _Histories), key=lambda kind: kind.__qualname__)
    named = ((kind.__qualname__, field) for kind in kinds for field in fields(kind))
    text = "\n".join(f"{name}.{field.name}: {field.type}" for name, field in named)
    return f"{FORMAT}-{hashlib.sha256(text.encode()).hexdigest()[:16]}-{sys.byteorder}"


def dataclasses_in(*hints: Any) -> set[Any]:
    """The dataclasses that values of these types can hold, at any depth."""
    found: set[Any] = set()
    waiting = list(hints)
    while waiting:
        hint = waiting.pop()
        if hint in found:
            continue
        if isinstance(hint, type) and is_dataclass(hint):
            found.add(hint)
            known = get_type_hints(hint)
            waiting += [known[field.name] for field in fields(hint)]
        else:
            waiting += get_args(hint)
    return found


@cache
def _heads() -> TypeAdapter[_Head]:
    return TypeAdapter(_Head)


@cache
def _histories() -> TypeAdapter[_Histories]:
    return TypeAdapter(_Histories)
