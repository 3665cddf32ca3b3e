"""Batches by the reference pipeline, prepared by worker processes that cannot outlive the trainer."""

from __future__ import annotations

import multiprocessing
import multiprocessing.context
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from multiprocessing import popen_fork
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from wmse_tui.engine.data.batched import normalise_
from wmse_tui.engine.data.images import ImageSet
from wmse_tui.engine.data.plan import ViewPlan
from wmse_tui.engine.data.reference import BatchKey, PreparedBatch, ReferenceViews
from wmse_tui.engine.data.sources.files import FileImages
from wmse_tui.engine.errors import EngineError
from wmse_tui.engine.parent_process import end_with_parent
from wmse_tui.engine.stop_signals import ignore_stop_signals
from wmse_tui.runs.process.deferred_signals import STOP_SIGNALS

SHM = "/dev/shm"


class Keys:
    """The batches still to come, as the loader's sampler: set for each epoch."""

    def __init__(self) -> None:
        self.coming: tuple[BatchKey, ...] = ()

    def __iter__(self) -> Iterator[BatchKey]:
        return iter(self.coming)

    def __len__(self) -> int:
        return len(self.coming)


class WorkerBatches:
    """Views made one by one on the CPU, ahead of their use, and copied to `device` as 8-bit numbers.

    The position in an epoch is counted in consumed batches, so what the workers have prepared beyond it does
    not count. One epoch is iterated at a time. Create and use it in one thread, for the workers end
    with it.

    Args:
        images: the set.
        plan: how batches are formed and views are made.
        device: of the views.
        workers: processes; 0 prepares the views in this one.
    """

    def __init__(self, images: ImageSet, plan: ViewPlan, device: torch.device, *, workers: int) -> None:
        self._images, self._plan, self._device = images, plan, device
        self._keys = Keys()
        options: dict[str, Any] = {}
        if workers:
            options = {
                "worker_init_fn": prepare_worker,
                "persistent_workers": True,
                "multiprocessing_context": worker_context(),
            }
        self._loader: DataLoader[Tensor] | None = DataLoader(
            ReferenceViews(images, plan),
            batch_sampler=self._keys,  # type: ignore[arg-type]  # the key of a batch has its epoch too
            collate_fn=_shared,  # the data set gives whole batches
            num_workers=workers,
            pin_memory=device.type == "cuda",
            **options,
        )

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Tensor]:
        """Normalised views, float32 (views, batch, 3, size, size), of each batch from `start_batch` on.

        Raises:
            EngineError: an image cannot be read; also what the sets raise.
        """
        if self._loader is None:
            raise ValueError("these batches are closed")
        coming = self._plan.batches(len(self._images), epoch=epoch, start_batch=start_batch)
        self._keys.coming = tuple(BatchKey(epoch, indices) for indices in coming)
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside other threads. The workers run none of their locks.
            warnings.filterwarnings(
                "ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning
            )
            # A new worker ignores the signals before it can receive one.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            try:
                batches = iter(self._loader)
            except OSError as error:
                # Semaphores of workers are made there, and their errors name no file.
                if error.filename is None and not os.access(SHM, os.W_OK | os.X_OK):
                    error.filename = SHM
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for batch in batches:
            if isinstance(batch, EngineError):
                raise batch
            if isinstance(self._images, FileImages):
                self._images.damaged.merge(batch.damaged)
            pixels = batch.views.to(self._device, non_blocking=True)
            yield normalise_(pixels.to(torch.float32).div_(255), self._plan.mean, self._plan.std)

    def close(self) -> None:
        """End the workers; an epoch's iterator that is still referenced keeps them running."""
        self._loader = None


class _Fork(popen_fork.Popen):
    """A forked worker, which ignores SIGTERM: what ends one that does not leave by itself is SIGKILL."""

    def terminate(self) -> None:
        self.kill()


class _Worker(multiprocessing.context.ForkProcess):
    @staticmethod
    def _Popen(process: Any) -> _Fork:  # noqa: N802 (the hook of multiprocessing)
        return _Fork(process)


class _ForkContext(multiprocessing.context.ForkContext):
    Process = _Worker


def worker_context() -> multiprocessing.context.ForkContext | None:
    """How workers with `prepare_worker` are started; None: as torch starts them.

    Forked workers share the images in memory and start at once; elsewhere than on Linux forking is unsafe.
    """
    return _ForkContext() if sys.platform == "linux" else None


def prepare_worker(_number: int) -> None:
    """Make this process die with the trainer, and ignore the signals that the trainer handles."""
    ignore_stop_signals()
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if not end_with_parent(None if parent is None else parent.pid):
        os._exit(1)


def _shared(batch: Any) -> Any:
    """The batch; a worker's is in shared memory from here on.

    The loader's queue would move it there in a thread whose errors are lost: where /dev/shm is too small the
    trainer would wait for ever.
    """
    if isinstance(batch, PreparedBatch) and get_worker_info() is not None:
        batch.views.share_memory_()
    return batch
