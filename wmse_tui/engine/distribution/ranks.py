"""What a trainer does with the other ranks: announce each step, average gradients, compare weights.

Rank 0 is the trainer. It alone decides, reads requests, and writes the log and checkpoints. The other ranks
wait for a message before each step, and before each of their batches of an evaluation, and perform exactly
what it names, so a pause or a stop needs no agreement: nothing is announced meanwhile. The message goes over
a group of its own, ahead of the work that a GPU has queued. So do the results of an evaluation.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wmse_tui.engine.distribution.collectives import all_reduce, world_of_ranks
from wmse_tui.engine.distribution.gather import shared_step
from wmse_tui.engine.distribution.gloo_threads import gloo_threads
from wmse_tui.engine.distribution.main_thread import waiting, working
from wmse_tui.engine.errors import RanksDiffer
from wmse_tui.runs.process.identity import host

FOR_EVER = timedelta(days=7)  # the other ranks wait so long while rank 0 evaluates or is paused


class Kind(IntEnum):
    """What all ranks do next."""

    TRIAL = 0  # a step whose effect is undone
    STEP = 1
    FORWARD = 2  # the losses of a step, without an update
    COMPARE = 3  # the weights
    STATE = 4  # the weights and the state of the optimiser become those of rank 0
    END = 5
    EVALUATE = 6  # what an evaluation reads and encodes; its batches follow
    LIDAR = 7  # the same of the views that LiDAR is computed from
    BATCH = 8  # of what was named before, the next one of each rank


@dataclass(frozen=True, slots=True)
class Message:
    """One announcement; see `Stepper` for the numbers of a step."""

    kind: Kind
    epoch: int = 0
    batch: int = 0
    step: int = 0
    lr: float = 0.0
    progress: float = 0.0
    final: bool = False  # as of `evaluate`


class Ranks:
    """A trainer that is alone: nothing is shared."""

    rank = 0
    world = 1

    def announce(self, message: Message) -> None:
        """Let the other ranks do the same; called by rank 0 before it does."""

    def shared_step(self) -> AbstractContextManager[None]:
        """The block in which a step is computed."""
        return nullcontext()

    def working(self, task: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """The block in which the other ranks wait for what this one does."""
        return nullcontext()

    def fetched(self, batches: Iterable[Tensor], first: int) -> Iterable[Tensor]:  # noqa: ARG002
        """The batches of the steps from `first` on, for each of which the other ranks wait."""
        return batches

    def mean_gradients(self, parameters: Iterable[nn.Parameter], averages: Sequence[Tensor] = ()) -> None:
        """Replace each gradient, and each of the `averages`, by its mean over the ranks."""

    def begins_round(self) -> bool:
        """Whether all ranks compute their next batch of an evaluation: rank 0 announces that they do."""
        return True

    def joined(self, own: Tensor | None, sizes: Sequence[int]) -> list[Tensor]:
        """What the ranks have computed in a round, in their order, on rank 0; nothing on the others.

        Args:
            own: the result of this rank; None if there was no batch for it.
            sizes: of the results of the first ranks along their first dimension; the others have none.
        """
        assert own is not None
        assert len(sizes) == 1
        return [own]

    def share_state(self, method: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Give all ranks the weights and the optimiser's state of rank 0."""

    def gathered(self, value: object) -> list[Any]:
        """The `value` of each rank, on all ranks."""
        return [value]

    def compare(self, method: nn.Module) -> None:
        """Compare the weights and buffers of all ranks; called by rank 0.

        Raises:
            RanksDiffer: they are not equal to the bit.
        """


ALONE = Ranks()


class Group(Ranks):
    """One of several ranks; the default process group has been formed.

    Args:
        rank, world: which of how many.
        device: of this rank.
    """

    def __init__(self, rank: int, world: int, device: torch.device) -> None:
        self.rank = rank
        self.world = world
        self._where = f"{device}, {host()}"
        with gloo_threads():
            messages = dist.new_group(backend="gloo", timeout=FOR_EVER)
        assert isinstance(messages, dist.ProcessGroup)  # all ranks are in it
        self._messages = messages
        self._unread: Message | None = None

    def announce(self, message: Message) -> None:
        with waiting():
            dist.broadcast(torch.tensor(astuple(message), dtype=torch.float64), 0, group=self._messages)

    def receive(self) -> Message:
        """The next announcement, when it comes; called by the other ranks."""
        if self._unread is not None:
            message, self._unread = self._unread, None
            return message
        numbers = torch.empty(len(Message.__slots__), dtype=torch.float64)
        with waiting():
            dist.broadcast(numbers, 0, group=self._messages)
        kind, epoch, batch, step, lr, progress, final = numbers.tolist()
        return Message(Kind(int(kind)), int(epoch), int(batch), int(step), lr, progress, bool(final))

    def shared_step(self) -> AbstractContextManager[None]:
        return shared_step()

    def working(self, task: str) -> AbstractContextManager[None]:
        return working(task)

    def fetched(self, batches: Iterable[Tensor], first: int) -> Iterator[Tensor]:
        following = iter(batches)
        for step in itertools.count(first):
            with working(f"the images of step {step}"):
                views = next(following, None)
            if views is None:
                return
            yield views

    def mean_gradients(self, parameters: Iterable[nn.Parameter], averages: Sequence[Tensor] = ()) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        gradients += averages
        average(gradients)

    def begins_round(self) -> bool:
        if self.rank == 0:
            self.announce(Message(Kind.BATCH))
            return True
        message = self.receive()
        if message.kind is not Kind.BATCH:  # rank 0 does not continue
            self._unread = message
        return message.kind is Kind.BATCH

    def joined(self, own: Tensor | None, sizes: Sequence[int]) -> list[Tensor]:
        if self.rank:
            if own is not None:
                self.send(own, 0)
            return []
        assert own is not None  # it has a batch if any rank has
        others = [
            self.fetch((size, *own.shape[1:]), own.dtype, rank) for rank, size in enumerate(sizes[1:], 1)
        ]
        return [own, *others]

    def send(self, x: Tensor, to: int) -> None:
        """Send a tensor to another rank, which fetches it now."""
        with waiting():
            dist.send(x.detach().cpu().contiguous(), to, group=self._messages)

    def fetch(self, shape: Sequence[int], dtype: torch.dtype, source: int) -> Tensor:
        """A tensor that another rank sends, on the CPU."""
        x = torch.empty(tuple(shape), dtype=dtype)
        with waiting():
            dist.recv(x, source, group=self._messages)
        return x

    def copy_of(self, x: Tensor, source: int) -> Tensor:
        """What `x` is on rank `source`, on all ranks, on the CPU."""
        shared = x.detach().cpu().contiguous()
        with waiting():
            dist.broadcast(shared, source, group=self._messages)
        return shared

    def gathered(self, value: object) -> list[Any]:
        """The `value` of each rank, on all ranks."""
        found: list[Any] = [None] * self.world
        with waiting():
            dist.all_gather_object(found, value, group=self._messages)
        return found

    def share_state(self, method: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        shared: list[Any] = [None]
        if self.rank == 0:
            self.announce(Message(Kind.STATE))
            shared = [_on_cpu({"method": method.state_dict(), "optimizer": optimizer.state_dict()})]
        with waiting():
            dist.broadcast_object_list(shared, 0, group=self._messages)
        if self.rank:
            method.load_state_dict(shared[0]["method"])
            optimizer.load_state_dict(shared[0]["optimizer"])

    def compare(self, method: nn.Module) -> None:
        if self.rank == 0:
            self.announce(Message(Kind.COMPARE))
        found = self.gathered((digest(method), self._where))
        named = [(value, f"rank {rank} ({where})") for rank, (value, where) in enumerate(found)]
        other = [name for value, name in named if value != named[0][0]]
        if other and self.rank == 0:
            raise RanksDiffer(
                "the weights of the ranks are not equal",
                f"{', '.join(other)} of {self.world} differ from {named[0][1]}",
                next=("resume the run: it continues from the last checkpoint", "check the machine's memory"),
            )


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each of the tensors by its mean over the ranks, in one exchange."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    all_reduce(flat)
    flat /= world_of_ranks()
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def digest(method: nn.Module) -> bytes:
    """Eight bytes that differ where any bit of the weights or buffers does."""
    hashed = hashlib.sha256()
    for tensor in method.state_dict().values():
        hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return hashed.digest()[:8]


def _on_cpu(state: object) -> object:
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: _on_cpu(value) for key, value in state.items()}
    return [_on_cpu(value) for value in state] if isinstance(state, list) else state
