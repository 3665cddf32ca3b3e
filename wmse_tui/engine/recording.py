"""Work of a device that is recorded once and replayed as one launch, in the same memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


class RecordingFailed(Exception):
    """Work cannot be recorded; the text says why."""


class Recorder(Protocol[Result]):
    """Records and replays."""

    rate_dtype: torch.dtype
    """Of a learning rate on the device: what the kernels of the optimisers read."""

    def on_stream(self) -> AbstractContextManager[None]:
        """The context in which work runs, is recorded and replayed; later work sees its results."""

    def synchronises(self, operation: str, tensors: Iterable[Any]) -> bool:
        """Whether an operation ("aten::nonzero") on these arguments reads a result of the device, which no
        graph can do: recording is not even tried."""

    def record(self, compute: Callable[[], Result]) -> Callable[[], Result]:
        """Record `compute`, without running it; the result repeats it and always returns the same tensors."""


class CudaGraphs:
    """Graphs of a CUDA device, on a stream of their own: a graph is replayed on the one that recorded it."""

    rate_dtype = torch.float32
    SYNCHRONISING = frozenset(
        f"aten::{name}"
        for name in (
            "_local_scalar_dense",
            "nonzero",
            "masked_select",
            "_linalg_eigh",
            "_linalg_svd",
        )
    )

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """On the stream of the graphs: after all work queued before, and before all work queued later."""
        present = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            yield
        present.wait_stream(self._stream)

    def synchronises(self, operation: str, tensors: Iterable[Any]) -> bool:
        """Factorisations by cuSOLVER report whether they converged, and torch reads that at once."""
        return operation in self.SYNCHRONISING and any(
            isinstance(one, Tensor) and one.is_cuda for one in tensors
        )

    def record(self, compute: Callable[[], Result]) -> Callable[[], Result]:
        """Raises whatever cannot be recorded raises; nothing has been computed then either."""
        graph = torch.cuda.CUDAGraph()
        # Threads that pin the memory of loaders run meanwhile; they are no part of the capture.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            result = compute()

        def replay() -> Result:
            graph.replay()
            return result

        return replay


def first_lines(error: BaseException) -> str:
    """The first lines of an error that are not empty, without the frames that compilers and drivers add."""
    text = " ".join(line.strip() for line in str(error).splitlines()[:8] if line.strip())
    return f"{type(error).__name__}: {text[:200]}".rstrip(" :")


def first_cause(error: BaseException) -> BaseException:
    """The error that was raised first: a capture that fails is ended by another error, raised over it."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
