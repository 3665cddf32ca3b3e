"""The events of a run's log: their fields and meaning. `encoding.py` makes lines of them.

Version 1. A line is one JSON object with the header `v`, `seq` (1, 2, 3 ... without a gap), `t` (unix
seconds), `attempt` (1, 2, 3 ...) and `type`, followed by the fields of the type. Readers ignore fields and
types that they do not know, so that a later version may add both; a change of meaning raises `v`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field

VERSION = 1

Count = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]

DAMAGED_LISTING = "damaged-images.txt"
"""In `artifacts/`: the path of each file that `damaged` events have named, a tab, and the reason."""

_AS_OBJECT = {"json": "object"}  # pairs in Python, where events are immutable; an object in JSON


def _pairs(value: object) -> object:
    return tuple(value.items()) if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The trainer is ready to train: from the start (`resume_step` 0), or from that step's checkpoint.

    `exact`: what it continues, it continues to the same bits. `ranks`: the processes that train together.
    """

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
    ranks: Count = 1


@dataclass(frozen=True, slots=True)
class Phase:
    """What the trainer is doing; `done` of `total` in `unit` where that is known."""

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
    """Accuracy of k nearest neighbours."""

    top1: Fraction
    k: Count
    metric: str


@dataclass(frozen=True, slots=True)
class LinearResult:
    """Accuracy of the linear probe; no top-5 where there are fewer than six classes."""

    top1: Fraction
    top5: Fraction | None
    solver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The encoder after `epoch` epochs, measured; epoch 0 is the untrained one."""

    type: ClassVar[str] = "evaluation"

    epoch: Count
    step: Count
    knn: KnnResult | None = None
    linear: LinearResult | None = None
    raw_pixels: Fraction | None = None
    train_split: str
    test_split: str
    seconds: Number

    @property
    def knn_top1(self) -> float | None:
        return None if self.knn is None else self.knn.top1

    @property
    def linear_top1(self) -> float | None:
        return None if self.linear is None else self.linear.top1

    @property
    def linear_top5(self) -> float | None:
        return None if self.linear is None else self.linear.top5


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """The spectrum of the embeddings of one step's batch, each view by itself, averaged over the views.

    Embeddings are those the loss is given, before any normalisation. A number that is unknown is None, as are
    all that an earlier writer did not know: those from `rankme` on.
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
    seconds: Number  # what the sample cost
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
    contrastive_accuracy: Fraction | None = None  # views whose nearest in another view is their own image
    lidar: Number | None = None  # where the configuration wants it
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


@dataclass(frozen=True, slots=True)
class GpuUser:
    """A process of someone else on the GPU of a run; empty or None where it is not visible."""

    pid: Count
    owner: str = ""
    program: str = ""
    memory: Number | None = None  # bytes on the GPU


@dataclass(frozen=True, slots=True, kw_only=True)
class RankLoad:
    """What one rank and its loader workers use; fields as in `Resources`."""

    rank: Count
    host: str = ""
    gpu: str = ""
    gpu_utilisation: Number | None = None
    gpu_memory: Number | None = None
    gpu_memory_total: Number | None = None
    gpu_temperature: Number | None = None
    gpu_power: Number | None = None
    gpu_power_limit: Number | None = None
    cpu: Number | None = None
    memory: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What the trainer and its loader workers use of the machine; None where it is unknown.

    Of several ranks the GPU is that of rank 0; processor and memory are of all ranks on its machine.
    """

    type: ClassVar[str] = "resources"

    step: Count
    gpu: str = ""  # its name; empty where there is none
    gpu_utilisation: Number | None = None  # fraction
    gpu_memory: Number | None = None  # bytes used on the GPU, by all processes
    gpu_memory_total: Number | None = None
    gpu_temperature: Number | None = None  # degrees Celsius
    gpu_power: Number | None = None  # watts
    gpu_power_limit: Number | None = None
    gpu_users: tuple[GpuUser, ...] = ()  # the other processes on it, the largest first, a few at most
    cpu: Number | None = None  # cores in use on average since the last such event
    cpu_count: Count = 0
    memory: Number | None = None  # bytes resident, workers included
    memory_total: Number | None = None
    ranks: tuple[RankLoad, ...] = ()  # each of several, as it reported last; none of a trainer that is alone

    def of_rank(self, rank: int) -> RankLoad | None:
        """What a rank uses; None where it has not reported."""
        return next((load for load in self.ranks if load.rank == rank), None)


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
    """A message to the user about something that stops nothing."""

    type: ClassVar[str] = "notice"

    level: Literal["info", "warning"]
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """An image file that cannot be read, and the reason; the name begins with the option of its folder."""

    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """Image files are passed over: how many so far in this attempt, of how many, and those that are new."""

    type: ClassVar[str] = "damaged"

    count: Count
    images: Count
    files: tuple[DamagedFile, ...] = ()


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
    """Why the attempt fails; `saved` names what is safe and `next` what the user can do.

    `files` are names as of a `DamagedFile`: the images that cannot be read, if that is why.
    """

    type: ClassVar[str] = "error"

    code: str
    title: str
    detail: str = ""
    saved: str = ""
    next: tuple[str, ...] = ()
    stage: Literal["start", "training"]
    traceback: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The last event of an attempt that ended regularly; `seconds` since the attempt began."""

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
    | Damaged
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
        Damaged,
        Control,
        Error,
        Exit,
    )
}


@dataclass(frozen=True, slots=True)
class Record:
    """An event with its sequence number, time and attempt."""

    v: int
    seq: int
    t: float
    attempt: int
    event: Event
