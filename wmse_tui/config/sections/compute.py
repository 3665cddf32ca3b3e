"""The compute section: the device, precision and data loading of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, Strict, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.options import Options, Sizes, nearest_divisor, unit
from wmse_tui.config.problems import Problem

MOST_DEVICES = 64


def _one_refusal(value: Any, handler: Callable[[Any], Any]) -> Any:
    """One error for a value that is none of a union's members, instead of one for each member."""
    try:
        return handler(value)
    except ValidationError:
        message = "expected auto, a number from 1 to 64, or the numbers of GPUs such as [0, 1]"
        raise PydanticCustomError("devices", message) from None


Devices: TypeAlias = Annotated[
    Literal["auto"]
    | Annotated[int, Field(ge=1, le=MOST_DEVICES)]
    | Annotated[
        tuple[Annotated[int, Field(ge=0, le=999)], ...],
        Strict(False),
        Field(min_length=1, max_length=MOST_DEVICES),
    ],
    WrapValidator(_one_refusal),
]


class Compute(Options):
    """Where and how a run computes."""

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$",
        title="Device",
        description="auto (a CUDA device that works, else the CPU), cpu, cuda, or one of several by its "
        "number (cuda:1). CUDA: not yet run on a GPU.",
        examples=["auto", "cpu", "cuda", "cuda:1"],
    )
    devices: Devices = Field(
        "auto",
        title="Devices",
        description="GPUs of this machine that train together: auto (one), how many (the first ones), or "
        "which by their numbers ([0, 2]); with device=cpu, processes. Each computes its part of "
        "schedule.batch_size, and the result is that of one; not yet run on a GPU.",
        examples=["auto", 2, [0, 1]],
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        title="Precision",
        description="Arithmetic of the encoder; bfloat16 is meant for recent GPUs (not yet run on a GPU). "
        "Projector, whitening and loss stay in float32.",
    )
    compile: Literal["off", "auto", "graph"] = Field(
        "off",
        title="Compile",
        description="off: networks run as they are written; auto: torch.compile fuses their operations, "
        "which takes a minute or so at the start; graph: that, and a GPU replays whole steps as one CUDA "
        "graph (both not yet run on a GPU). What cannot be compiled or recorded runs as written, and the run "
        "logs why.",
    )
    loader: Literal["auto", "workers", "batched", "jpeg"] = Field(
        "auto",
        title="Loader",
        description="workers: one image at a time in processes; batched: whole batches as tensors, for small "
        "images that fit in memory; jpeg: the same for files, decoded by the device (not yet run on "
        "a GPU); auto chooses.",
    )
    workers: int | None = Field(
        None,
        ge=0,
        le=256,
        title="Workers",
        description="Processes that prepare images; empty: from the cores, at most 8.",
        json_schema_extra=unit("processes"),
    )
    deterministic: bool = Field(
        False,
        title="Deterministic",
        description="Only algorithms that give the same bits each time; slower on CUDA (not yet run on a "
        "GPU).",
    )

    @property
    def ranks(self) -> int:
        """How many processes train together."""
        if isinstance(self.devices, tuple):
            return len(self.devices)
        return 1 if self.devices == "auto" else self.devices

    @property
    def cards(self) -> tuple[int, ...]:
        """The numbers of the ranks' GPUs where they are chosen; else they are the first ones."""
        return self.devices if isinstance(self.devices, tuple) else ()

    @property
    def first_device(self) -> str:
        """The device of rank 0, as `device` names one."""
        return f"cuda:{self.cards[0]}" if self.cards else self.device

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        if self.loader in ("batched", "jpeg") and self.workers is not None:
            yield Problem(
                "compute.workers",
                f"the {self.loader} loader has no worker processes",
                "remove it, or set loader=workers",
            )
        yield from self._of_devices(sizes.batch)
        name = sizes.dataset
        if self.loader == "jpeg" and DATASETS[name].size is not None:
            yield Problem(
                "compute.loader",
                f"the jpeg loader decodes files, and the images of {name} are in memory",
                "use auto or batched",
            )

    def _of_devices(self, batch: int) -> Iterator[Problem]:
        ranks, cards = self.ranks, self.cards
        if len(set(cards)) < len(cards):
            different = list(dict.fromkeys(cards))
            yield Problem("compute.devices", f"{list(cards)} names a GPU twice", f"write {different}")
        if cards and self.device == "cpu":
            yield Problem(
                "compute.devices",
                f"{list(cards)} are GPUs, and device=cpu",
                f"set device=auto, or write {ranks} for as many processes",
            )
        if ":" in self.device and (cards or ranks > 1):
            yield Problem(
                "compute.devices",
                f"device={self.device} is one device, and devices={list(cards) or ranks}",
                "set device=cuda, and write the numbers of the GPUs, such as [0, 1]",
            )
        if ranks == 1:
            return
        if batch % ranks:
            nearest = max(round(batch / ranks), 1) * ranks
            fewer = nearest_divisor(batch, ranks)
            yield Problem(
                "compute.devices",
                f"{batch} images cannot be divided among {ranks} devices",
                f"{'name' if cards else 'write'} {fewer}, or set schedule.batch_size={nearest}",
            )
        if self.compile != "off":
            yield Problem(
                "compute.devices",
                f"compile={self.compile} is for one device, and devices={list(cards) or ranks}",
                "set compile=off",
                values=(("compute.compile", "off"),),
            )
