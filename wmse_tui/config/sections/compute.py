"""The compute section: the device, precision and data loading of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.options import Options, Sizes, nearest_divisor, unit
from wmse_tui.config.problems import Problem


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
    devices: int = Field(
        1,
        ge=1,
        le=64,
        title="Devices",
        description="GPUs of this machine that train together, the first ones; with device=cpu, processes. "
        "Each computes its part of schedule.batch_size, and the result is that of one; not yet run on a GPU.",
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
        if self.devices == 1:
            return
        if batch % self.devices:
            nearest = max(round(batch / self.devices), 1) * self.devices
            yield Problem(
                "compute.devices",
                f"{batch} images cannot be divided among {self.devices} devices",
                f"write {nearest_divisor(batch, self.devices)}, or set schedule.batch_size={nearest}",
            )
        if ":" in self.device:
            yield Problem(
                "compute.devices",
                f"device={self.device} is one device, and devices={self.devices}",
                "set device=cuda; CUDA_VISIBLE_DEVICES chooses which",
            )
        if self.compile != "off":
            yield Problem(
                "compute.devices",
                f"compile={self.compile} is for one device, and devices={self.devices}",
                "set compile=off",
            )
