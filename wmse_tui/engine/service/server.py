"""From a line to its answer: which handler, and the error where there is no answer.

Nothing here imports torch before a request needs it: until then a wrong configuration is answered at once,
and where torch cannot be loaded every answer is the reason.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from wmse_tui.config.loading import parse_experiment
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.service.protocol import (
    HANDLERS,
    AnswerWriter,
    BadRequest,
    json_value,
    read_lines,
    read_request,
)
from wmse_tui.engine.service.worker import Cancelled, Job, RequestWorker

if TYPE_CHECKING:
    from wmse_tui.engine.profiling.image_cache import ImageCache

SOURCE = "configuration"
"""The name of a request's configuration in messages."""

IDLE_GPU_SECONDS, POLL_SECONDS = 60.0, 5.0

Handler = Callable[[Experiment, Job, "ImageCache"], dict[str, Any]]


class TorchMissing(EngineError):
    """torch or torchvision is not installed, or its installation is broken."""

    code = "E_TORCH"


class Service:
    """The request workers, and the images they share.

    Attributes:
        last_request: when the latest line came, by the monotonic clock.
    """

    def __init__(self, answers: AnswerWriter) -> None:
        self.answers = answers
        self.last_request = time.monotonic()
        self.workers = {ask: RequestWorker(ask, self._answer) for ask in HANDLERS}
        self._images: ImageCache | None = None
        self._gpu_used = False
        self._loading = threading.Lock()

    def idle(self) -> bool:
        """Whether every request is answered."""
        return all(worker.idle() for worker in self.workers.values())

    def gpu_used(self) -> bool:
        """Whether this process holds memory of a GPU."""
        return self._gpu_used

    def receive(self, line: bytes) -> None:
        """Start the request of a line, or answer why not."""
        self.last_request = time.monotonic()
        try:
            request = read_request(line)
        except BadRequest as error:
            self.answers.write(error.id, {"error": error_fields(error)})
            return
        if request.ask == "cancel":
            for worker in self.workers.values():
                worker.cancel(request.id)
        else:
            self.workers[request.ask].submit(Job(request, self.answers))

    def _answer(self, job: Job) -> dict[str, Any]:
        ask = job.request.ask
        try:
            experiment = parse_experiment(job.request.config, SOURCE)
            handler, images = self._load(ask, job)
            return {"answer": ask, **json_value(handler(experiment, job, images))}
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001  every failure becomes one object
            return {"error": error_fields(error)}
        finally:
            self._gpu_used = self._gpu_used or job.gpu_used

    def _load(self, ask: str, job: Job) -> tuple[Handler, ImageCache]:
        if "torchvision" not in sys.modules:
            job.progress("loading torch")
        with self._loading:
            try:
                importlib.import_module("torchvision")
            except Exception as error:  # a broken installation may raise anything
                raise _torch_missing(error) from error
            from wmse_tui.engine.profiling.image_cache import ImageCache

            if self._images is None:
                self._images = ImageCache()
        module, function = HANDLERS[ask]
        handler: Handler = getattr(importlib.import_module(f"wmse_tui.engine.service.{module}"), function)
        return handler, self._images


def serve_requests(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answer the requests of a stream until it ends."""
    service = Service(AnswerWriter(stdout))
    threading.Thread(target=free_gpu, args=(service,), name="free the GPU", daemon=True).start()
    for line in read_lines(stdin):
        service.receive(line)


def free_gpu(service: Service) -> None:
    """End this process some time after a measurement on a GPU.

    CUDA releases what it holds there for a process (half a gigabyte) only when the process ends, and the run
    that was measured may be about to start. The next request starts another inspector.
    """
    while True:
        time.sleep(POLL_SECONDS)
        idle = time.monotonic() - service.last_request
        if service.gpu_used() and service.idle() and idle > IDLE_GPU_SECONDS:
            os.kill(os.getpid(), signal.SIGTERM)
            return


def error_fields(error: Exception) -> dict[str, Any]:
    """The error object of an exception; of an unforeseen one with its traceback, also on stderr."""
    if isinstance(error, ConfigError):
        return {
            "title": "this configuration cannot be run",
            "detail": str(error),
            "next": [problem.fix for problem in error.problems if problem.fix],
            "problems": [
                {"path": problem.path, "message": problem.message, "fix": problem.fix}
                for problem in error.problems
            ],
        }
    if isinstance(error, EngineError):
        return {"title": error.title, "detail": error.detail, "next": list(error.next)}
    if _out_of_memory(error):
        return {
            "title": "not enough memory",
            "detail": first_line(error),
            "next": ["use a smaller schedule.batch_size", "check for other processes that use memory"],
        }
    text = "".join(traceback.format_exception(error))
    sys.stderr.write(text)
    return {
        "title": f"{type(error).__name__} in the inspector",
        "detail": first_line(error),
        "next": ["this is a fault of wmse-tui: please report it with the traceback"],
        "traceback": text,
    }


def first_line(error: BaseException) -> str:
    """The first line of an exception's text."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _torch_missing(error: Exception) -> TorchMissing:
    return TorchMissing(
        "torch cannot be loaded",
        f"{type(error).__name__}: {first_line(error)} ({sys.executable})",
        next=(
            "reinstall torch and torchvision in this environment, in matching versions",
            "`wmse-tui doctor` shows what is installed",
        ),
    )


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
