"""The events of a run's log: their fields, and the one JSON line that each becomes.

Version 1. A line is one JSON object with the header `v`, `seq` (1, 2, 3 ... without a gap), `t` (unix
seconds), `attempt` (1, 2, 3 ...) and `type`, followed by the fields of the type. Readers ignore fields and
types that they do not know, so that a later version may add both; a change of meaning raises `v`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from itertools import chain
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args, get_type_hints

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from wmse_tui.runs.errors import EventError, NewerVersion

VERSION = 1

Count = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(allow_inf_nan=False)]

_HEADER = ("seq", "t", "attempt", "type")
_OF_STEPS = ("v", "seq", "t", "attempt", "first", "loss", "images_per_second")
_NO_EVENT = "a line of the log is no event"
_AS_OBJECT = {"json": "object"}  # pairs in Python, where events are immutable; an object in JSON


def _pairs(value: object) -> object:
    return tuple(value.items()) if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The trainer is ready to train: from the start (`resume_step` 0), or from that step's checkpoint."""

    type: ClassVar[str] = "attempt"

    resume_step: Count
    epochs: Count
    steps_per_epoch: Count
    device: str
    device_reason: str
    loader: str
    loader_reason: str
    train_images: Count
    train_split: str
    parameters: Count
    deterministic: bool
    exact: bool
    pid: int
    host: str
    versions: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)] = field(
        default=(), metadata=_AS_OBJECT
    )


@dataclass(frozen=True, slots=True)
class Phase:
    """What the trainer is busy with; `done` of `total` in `unit` where that can be told."""

    type: ClassVar[str] = "phase"

    name: str  # start, download, data, train, evaluate, knn, linear, checkpoint, paused, ...
    done: Number | None = None
    total: Number | None = None
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """Consecutive optimizer steps, the first of the run being step 1; a loss that is not finite is None."""

    type: ClassVar[str] = "steps"

    first: Annotated[int, Field(ge=1, lt=2**53)]
    loss: tuple[Number | None, ...]
    lr: tuple[Number, ...] = ()
    parts: Annotated[tuple[tuple[str, tuple[Number | None, ...]], ...], BeforeValidator(_pairs)] = field(
        default=(), metadata=_AS_OBJECT
    )
    images_per_second: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A completed epoch: its number from 1, the last step in it, the mean loss, the seconds of training."""

    type: ClassVar[str] = "epoch"

    epoch: Count
    step: Count
    loss: Number | None
    seconds: Number
    images_per_second: Number | None


@dataclass(frozen=True, slots=True)
class KnnResult:
    """Accuracy of k nearest neighbours, a fraction in [0, 1]."""

    top1: Number
    k: Count
    metric: str


@dataclass(frozen=True, slots=True)
class LinearResult:
    """Accuracy of the linear probe, fractions in [0, 1]; no top-5 where there are fewer than six classes."""

    top1: Number
    top5: Number | None
    solver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The encoder after `epoch` epochs, measured; epoch 0 is the untrained one."""

    type: ClassVar[str] = "evaluation"

    epoch: Count
    step: Count
    knn: KnnResult | None = None
    linear: LinearResult | None = None
    raw_pixels: Number | None = None
    train_split: str
    test_split: str
    seconds: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """The spectrum of the embeddings of one step's batch, each view by itself, averaged over the views.

    Embeddings are those the loss is given, before any normalisation. A number that cannot be told is None, as
    are all that an earlier writer did not know: those from `rankme` on.
    """

    type: ClassVar[str] = "diagnostics"

    step: Count
    epoch: Count  # completed
    space: str  # projector: what the loss sees; features: what the projector sees; encoder: as evaluated
    samples: Count  # images of a view
    dim: Count
    spectrum: tuple[Number, ...]  # eigenvalues of the covariance, falling, at most 128 evenly picked ranks
    effective_rank: Number | None  # exp of the spectrum's entropy (Roy and Vetterli 2007)
    effective_rank_null: Number | None  # of as many samples of isotropic noise
    condition_number: Number | None  # largest to smallest eigenvalue; the median over whitening slices if any
    smallest_pivot: Number | None  # of the loss's factorisations, against the largest; None: there are none
    feature_std: (
        Number | None
    )  # mean over dimensions, of unit vectors, times √dim: 1 evenly spread, 0 a point
    mean_correlation: Number | None  # mean absolute correlation of two dimensions
    seconds: Number  # what it cost
    rankme: Number | None = None  # exp of the entropy of the singular values, not centred (Garrido 2023)
    stable_rank: Number | None = None  # trace of the covariance over its largest eigenvalue
    participation_ratio: Number | None = None  # squared trace over the trace of the square
    anisotropy: Number | None = None  # share of the largest squared singular value, not centred
    standard_deviation: Number | None = None  # mean over dimensions, of the embeddings as they are
    alpha: Number | None = None  # of the power law of the eigenvalues (α-ReQ), over `alpha_ranks`
    alpha_ranks: tuple[Count, ...] = ()  # first and last
    whiteness_error: Number | None = None  # of what was whitened: |covariance - 1| / √dim
    alignment: Number | None = None  # mean squared distance of the directions of two views
    uniformity: Number | None = None  # log mean exp(-2 |x - y|²) of directions
    contrastive_accuracy: Number | None = None  # views whose nearest in another view is their own image
    lidar: Number | None = None  # where it was asked for
    nulls: Annotated[tuple[tuple[str, Number], ...], BeforeValidator(_pairs)] = field(
        default=(), metadata=_AS_OBJECT
    )  # by the name of a field: what as many samples of isotropic noise would show


@dataclass(frozen=True, slots=True)
class NormImportance:
    """The learnt weights of one layer of switchable whitening, of sum 1, in the order of `statistics`."""

    layer: str
    statistics: tuple[str, ...]  # BW, IW, BN, IN, LN
    means: tuple[Number, ...]
    covariances: tuple[Number, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NormWeights:
    """Which statistics the layers of switchable whitening use (Pan et al. 2019), in network order."""

    type: ClassVar[str] = "norm_weights"

    step: Count
    epoch: Count  # completed
    layers: tuple[NormImportance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the trainer and its loader workers use of the machine; None where it cannot be told."""

    type: ClassVar[str] = "resources"

    step: Count
    gpu: str = ""  # its name; empty where there is none
    gpu_utilisation: Number | None = None  # fraction
    gpu_memory: Number | None = None  # bytes used on the card, by anybody
    gpu_memory_total: Number | None = None
    gpu_temperature: Number | None = None  # degrees Celsius
    gpu_power: Number | None = None  # watts
    gpu_power_limit: Number | None = None
    cpu: Number | None = None  # cores kept busy since the last such event
    cpu_count: Count = 0
    memory: Number | None = None  # bytes resident, workers included
    memory_total: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file of the run's `artifacts/` was published or replaced: `kind` embedding or views."""

    type: ClassVar[str] = "artifact"

    kind: str
    file: str
    step: Count
    epoch: Count
    seconds: Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint was published: `file` in `checkpoints/`, and what it is (`kinds`: last, best, final)."""

    type: ClassVar[str] = "checkpoint"

    step: Count
    epoch: Count
    file: str
    sha256: str
    bytes: Count
    kinds: tuple[str, ...]
    seconds: Number


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know and that stops nothing."""

    type: ClassVar[str] = "notice"

    level: Literal["info", "warning"]
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Control:
    """The answer to the request `id`: done, accepted (the effect follows) or refused, with a sentence."""

    type: ClassVar[str] = "control"

    id: str
    command: str
    outcome: Literal["done", "accepted", "refused"]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Why the attempt fails; `saved` says what is safe and `next` what a person can do."""

    type: ClassVar[str] = "error"

    code: str
    title: str
    detail: str = ""
    saved: str = ""
    next: tuple[str, ...] = ()
    stage: Literal["start", "training"]
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The last event of an attempt that ended in an orderly way; `seconds` since the attempt began."""

    type: ClassVar[str] = "exit"

    status: Literal["completed", "stopped", "diverged", "failed"]
    step: Count
    epoch: Count
    seconds: Number


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a type that this version does not know; `payload` is its fields as JSON."""

    type: str
    payload: str = "{}"


Event: TypeAlias = (
    Attempt
    | Phase
    | Steps
    | Epoch
    | Evaluation
    | Diagnostics
    | NormWeights
    | Resources
    | Artifact
    | Checkpoint
    | Notice
    | Control
    | Error
    | Exit
    | Unknown
)

TYPES: Mapping[str, type[Any]] = {
    kind.type: kind
    for kind in (
        Attempt,
        Phase,
        Steps,
        Epoch,
        Evaluation,
        Diagnostics,
        NormWeights,
        Resources,
        Artifact,
        Checkpoint,
        Notice,
        Control,
        Error,
        Exit,
    )
}


@dataclass(frozen=True, slots=True)
class Record:
    """An event with its place in the log."""

    v: int
    seq: int
    t: float
    attempt: int
    event: Event


@dataclass(frozen=True, slots=True)
class Header:
    """What every line has, whatever its type."""

    seq: Annotated[int, Field(ge=1, lt=2**53)]
    t: Number
    attempt: Count
    type: str


def encode(record: Record) -> str:
    """The line of `record` without its newline: ASCII, no NaN, six significant digits in `steps`.

    Raises:
        EventError: a number that must be finite is not.
    """
    header = {"v": record.v, "seq": record.seq, "t": round(record.t, 3), "attempt": record.attempt}
    line = {**header, "type": record.event.type, **as_dict(record.event)}
    return _json(line)


def decode(line: str | bytes) -> Record:
    """The record of one line.

    Raises:
        NewerVersion: the line is of a later version.
        EventError: it is no event, or a field is missing or of the wrong kind.
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
    """The record of a `steps` line as a writer makes it, checked by hand, for most of a log is this.

    None where anything is out of the ordinary, if only an integer among the floats: then pydantic is asked.
    """
    if values.get("type") != "steps":
        return None
    get: Any = values.get
    v, seq, t, attempt, first, loss, speed = map(get, _OF_STEPS)
    lr, parts = get("lr", []), get("parts", {})
    if set(map(type, (v, seq, attempt, first))) != {int} or type(parts) is not dict:
        return None
    columns = (loss, lr, *parts.values())
    if set(map(type, columns)) != {list} or not all(map(str.isascii, parts)):
        return None
    floats = [t, 0.0 if speed is None else speed, *chain.from_iterable(columns)]
    if set(map(type, floats)) != {float} or not math.isfinite(sum(floats)):  # a finite sum has finite parts
        return None
    if v != VERSION or not (1 <= seq < 2**53 and 0 <= attempt < 2**53 and 1 <= first < 2**53):
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
    """The object that the line is, from the quick reader of JSON or, where that balks, the thorough one."""
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
    """The fields of an event (or of a part of one) as they stand in JSON: plain, finite, clean text."""
    if isinstance(event, Unknown):
        return dict(json.loads(event.payload))
    kind: Any = type(event)
    digits = 6 if kind is Steps else 9
    return {name: _plain(getattr(event, name), *how, digits) for name, how in _shape(kind).items()}


@cache
def _shape(kind: Any) -> dict[str, tuple[bool, bool, str]]:
    """For each field: is it an object in JSON, may it (or an item of it) be null, and its name for errors."""
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
        place = ".".join(str(part) for part in first["loc"])
        name = "header" if kind is Header else kind.type
        raise EventError(_NO_EVENT, f"{name}.{place}: {first['msg']}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
