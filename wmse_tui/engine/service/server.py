"""From a line to its answer: which handler, and what is said when there is none to give.

Nothing here imports torch before a request needs it: until then a wrong configuration is answered at once,
and where torch cannot be loaded every request hears why.
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
    ASKS,
    Answers,
    BadRequest,
    plain,
    read_lines,
    read_request,
)
from wmse_tui.engine.service.worker import Cancelled, Job, RequestWorker

if TYPE_CHECKING:
    from wmse_tui.engine.profiling.image_cache import ImageCache

SOURCE = "configuration"
"""What messages call the text that a request brings."""

GPU_SECONDS, LOOK_SECONDS = 60.0, 5.0

Handler = Callable[[Experiment, Job, "ImageCache"], dict[str, Any]]


class TorchMissing(EngineError):
    """torch or torchvision is not installed, or its installation is broken."""

    code = "E_TORCH"


class Service:
    """The lanes, and the images they share.

    Attributes:
        asked: when the latest line came, by the monotonic clock.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked = time.monotonic()
        self.lanes = {ask: RequestWorker(ask, self._answer) for ask in ASKS}
        self._shelf: ImageCache | None = None
        self._loading = threading.Lock()

    def idle(self) -> bool:
        """Whether every request is answered."""
        return all(lane.idle() for lane in self.lanes.values())

    def gpu_used(self) -> bool:
        """Whether this process holds memory of a GPU."""
        return self._shelf is not None and self._shelf.gpu_used

    def receive(self, line: bytes) -> None:
        """Begin with the request of a line, or say why not."""
        self.asked = time.monotonic()
        try:
            request = read_request(line)
        except BadRequest as error:
            self.answers.write(error.id, {"error": explain(error)})
            return
        if request.ask == "cancel":
            for lane in self.lanes.values():
                lane.cancel(request.id)
        else:
            self.lanes[request.ask].submit(Job(request, self.answers))

    def _answer(self, job: Job) -> dict[str, Any]:
        ask = job.request.ask
        try:
            experiment = parse_experiment(job.request.config, SOURCE)
            handler, shelf = self._load(ask, job)
            return {"answer": ask, **plain(handler(experiment, job, shelf))}
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001  the border: every failure becomes one object
            return {"error": explain(error)}

    def _load(self, ask: str, job: Job) -> tuple[Handler, ImageCache]:
        if "torchvision" not in sys.modules:
            job.progress("loading torch")
        with self._loading:
            try:
                importlib.import_module("torchvision")
            except Exception as error:  # a broken installation raises whatever it likes
                raise _torch_missing(error) from error
            from wmse_tui.engine.profiling.image_cache import ImageCache

            if self._shelf is None:
                self._shelf = ImageCache()
        handler: Handler = getattr(importlib.import_module(f"wmse_tui.engine.service.{ASKS[ask]}"), ask)
        return handler, self._shelf


def serve(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Answer the requests of a stream until it ends, or until the process had better go."""
    service = Service(Answers(stdout))
    threading.Thread(target=_free_the_gpu, args=(service,), name="free the GPU", daemon=True).start()
    for line in read_lines(stdin):
        service.receive(line)


def _free_the_gpu(service: Service) -> None:
    """End this process some time after a measurement on a GPU.

    What CUDA holds there for a process (half a gigabyte) it gives back only when the process ends, and the
    run that was measured may be about to start. The next request starts another inspector.
    """
    while True:
        time.sleep(LOOK_SECONDS)
        quiet = time.monotonic() - service.asked
        if service.gpu_used() and service.idle() and quiet > GPU_SECONDS:
            os.kill(os.getpid(), signal.SIGTERM)
            return


def explain(error: Exception) -> dict[str, Any]:
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
            "next": ["take a smaller schedule.batch_size", "look for other processes that take memory"],
        }
    said = "".join(traceback.format_exception(error))
    sys.stderr.write(said)
    return {
        "title": f"{type(error).__name__} in the inspector",
        "detail": first_line(error),
        "next": ["this is a fault of wmse-tui: please report it with the traceback"],
        "traceback": said,
    }


def first_line(error: BaseException) -> str:
    """What an exception says, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _torch_missing(error: Exception) -> TorchMissing:
    return TorchMissing(
        "torch cannot be loaded",
        f"{type(error).__name__}: {first_line(error)} ({sys.executable})",
        next=(
            "install torch and torchvision anew in this environment, in versions that belong together",
            "`wmse-tui doctor` shows what is installed",
        ),
    )


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
