"""Networks compiled by torch, tried before the first step, and run as written where that fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from wmse_tui.config.locations import compiled_dir
from wmse_tui.engine.methods import Method
from wmse_tui.engine.recording import first_lines
from wmse_tui.engine.training.stepping import restored

BACKEND = "inductor"
CompileMode = Literal["off", "auto", "graph"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """The outcome of `compute.compile`.

    Args:
        active: the networks are compiled.
        text: for people; empty where compilation is off.
        fell_back: compilation was requested and failed.
    """

    active: bool = False
    text: str = ""
    fell_back: bool = False

    @contextmanager
    def as_written(self) -> Iterator[None]:
        """Within this block the networks run as written: for batches of other sizes than those of a step."""
        with torch.compiler.set_stance("force_eager") if self.active else nullcontext():
            yield


def compile_networks(
    method: Method, mode: CompileMode, *, shape: Sequence[int], autocast: Callable[[], torch.autocast]
) -> Compiled:
    """Compile each network of a method, on its device, and try the result.

    The method is unchanged afterwards. Compiled code is cached on disk for the next start.

    Args:
        mode: `compute.compile`; "graph" (see `graph.py`) compiles as "auto" does.
        shape: of a batch of views (views, batch, 3, height, width).
        autocast: as in a step.
    """
    if mode == "off":
        return Compiled()
    if not os.environ.get("TORCHINDUCTOR_CACHE_DIR"):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(compiled_dir())
    device = next(method.parameters()).device
    networks = [child for child in method.children() if any(True for _ in child.parameters())]
    before = time.monotonic()
    try:
        with restored(method, device):
            for network in networks:
                network.compile(backend=BACKEND)
            batch = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
            with autocast():
                total = method(batch, step_key=(0, 0)).total
            total.backward()
    except Exception as error:  # noqa: BLE001  whatever a compiler raises, the networks still run as written
        for network in networks:
            network._compiled_call_impl = None  # noqa: SLF001  what `compile` has set; torch has no undo
        torch.compiler.reset()
        return Compiled(
            text=f"the networks run as written, because torch cannot compile them: {first_lines(error)}",
            fell_back=True,
        )
    text = f"the networks are compiled, in {time.monotonic() - before:.0f} s"
    return Compiled(active=True, text=text)
