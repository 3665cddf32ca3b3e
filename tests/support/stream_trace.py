"""The work of a block on the fake GPU, judged by `StreamOrder`: every operation with the memory it touches.

Memory is that of the addresses, so a block of torch's allocator that is given out again too early is found as
well. A recording touches at each replay what its operations touched.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from fake_gpu import line_of_package, reported
from stream_order import Clock, StreamOrder
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

PAGE = 512
"""Bytes: what torch's allocator gives out begins at a multiple of it."""

DECODE = "image::decode_jpegs_cuda"
"""Its results are written by nvJPEG, which is reported by itself."""

Touched = tuple[set[int], set[int]]
"""Pages that are read, and that are written."""


class Tracer(TorchDispatchMode):
    """The operations of a block, by thread."""

    def __init__(self, order: StreamOrder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.order = order
        self._local = threading.local()
        self._capture: int | None = None
        self._captured: dict[int, Touched] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._local.launched, self._local.waited = False, []
        result = func(*args, **(kwargs or {}))
        stream = _current_stream() if self._local.launched else None
        # Without a launch it is work of the host, or makes a view of a tensor.
        reads, writes = _touched(func, args, kwargs or {}, result, device=stream is not None)
        name = f"{func.name().removeprefix('aten::')} ({line_of_package()})"
        if self._capture is not None and stream is not None:
            captured = self._captured.setdefault(self._capture, (set(), set()))
            captured[0].update(reads)
            captured[1].update(writes)
        elif stream is not None:
            self.order.queue(name, stream, reads=reads, writes=writes, host=self._host)
        else:
            self.order.touch(name, reads=reads, writes=writes, host=self._host)
        for one in self._local.waited:  # an operation that ends with a wait for its own work
            self.order.synchronise(one, host=self._host)
        return result

    @property
    def _host(self) -> str:
        return getattr(self._local, "name", "main")

    def note(self, kind: str, detail: str, stream: int) -> None:
        """A report of the fake GPU."""
        words = detail.split()
        if kind in ("launch", "copy") or words[0] == "copies":
            self._local.launched, self._local.waited = True, []
            if detail.startswith("graph of capture "):
                reads, writes = self._captured[int(words[-1])]
                self.order.queue("the graph", stream, reads=reads, writes=writes, host=self._host)
        elif kind == "capture":
            self._capture = int(words[-1]) if words[0] == "begins," else None
        elif kind == "wait" and detail != "cudaEventSynchronize":
            everything = detail in ("cudaDeviceSynchronize", "cudaFree", "cudaFreeHost")
            waited = None if everything else stream
            self.order.synchronise(waited, host=self._host)
            self._local.waited = [*getattr(self._local, "waited", ()), waited]
        elif kind == "order" and words[0] == "records":
            self.order.record(int(words[-1]), stream)
        elif kind == "order" and words[0] == "waits":
            self.order.wait(stream, int(words[-1]))
        elif kind == "order" and words[0] == "finds":
            self.order.over(int(words[-1]), host=self._host)
        elif kind == "order" and words[0] == "nvJPEG":
            pages = _pages(int(words[-1]), int(words[2]))
            self.order.queue("nvJPEG", stream, reads=(), writes=pages, host=self._host)

    def in_thread(self, work: Callable[..., Any], known: Clock) -> Callable[..., tuple[Any, Clock]]:
        """`work` for another thread, which knows what the thread knew that passed it."""

        def traced(*arguments: Any, **options: Any) -> tuple[Any, Clock]:
            self._local.name = threading.current_thread().name
            self.order.learn(self._host, known)
            with self:
                result = work(*arguments, **options)
            return result, self.order.knowledge(self._host)

        return traced

    def executor(self) -> type[ThreadPoolExecutor]:
        """A pool of traced threads, in place of that of the standard library."""
        tracer = self

        class Traced(ThreadPoolExecutor):
            def submit(self, work: Any, /, *arguments: Any, **options: Any) -> Any:
                known = tracer.order.knowledge(tracer._host)
                return Passed(tracer, super().submit(tracer.in_thread(work, known), *arguments, **options))

        return Traced

    def received(self, future: Future[tuple[Any, Clock]]) -> Any:
        """The result of a traced thread; this one knows from then on what that one knew."""
        result, known = future.result()
        self.order.learn(self._host, known)
        return result


class Passed:
    """The future of a traced thread."""

    def __init__(self, tracer: Tracer, future: Future[tuple[Any, Clock]]) -> None:
        self._tracer = tracer
        self._future = future

    def result(self) -> Any:
        return self._tracer.received(self._future)

    def cancel(self) -> bool:
        return self._future.cancel()


@contextmanager
def traced_order() -> Iterator[Tracer]:
    """Trace this block."""
    tracer = Tracer(StreamOrder())
    torch.cuda.synchronize()
    with reported(tracer.note), tracer:
        yield tracer


def _touched(func: Any, args: Any, kwargs: Any, result: Any, *, device: bool) -> Touched:
    """What an operation reads and writes: its schema names the arguments that it changes.

    Args:
        device: in the memory of the device too; else in pinned memory alone.
    """
    reads, writes = set[int](), set[int]()
    given = dict(zip((one.name for one in func._schema.arguments), args, strict=False)) | kwargs
    for argument in func._schema.arguments:
        changed = argument.alias_info is not None and argument.alias_info.is_write
        for tensor in _tensors(given.get(argument.name)):
            (writes if changed else reads).update(_pages_of(tensor, device=device))
    aliased = any(one.alias_info is not None for one in func._schema.returns)
    if not aliased and func.name() != DECODE:
        for tensor in _tensors(result):
            writes.update(_pages_of(tensor, device=device))
    return reads, writes


def _current_stream() -> int:
    """The number that the fake GPU gave the stream: libraries do not report theirs."""
    pointer = torch.cuda.current_stream().cuda_stream
    return ctypes.cast(pointer, ctypes.POINTER(ctypes.c_int))[0] if pointer else 0


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def _pages_of(tensor: Tensor, *, device: bool) -> range:
    """The pages of a tensor in pinned memory or, where these are wanted, on the device."""
    if tensor.numel() == 0 or not (device if tensor.is_cuda else tensor.is_pinned()):
        return range(0)
    length = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return _pages(tensor.data_ptr(), length * tensor.element_size())


def _pages(address: int, size: int) -> range:
    return range(address // PAGE, (address + size - 1) // PAGE + 1)
