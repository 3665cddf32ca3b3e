"""What a piece of work launches, counted: on a GPU each operation is a launch, however small it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

VIEWS = frozenset(
    {
        "_reshape_alias",
        "_unsafe_view",
        "alias",
        "as_strided",
        "detach",
        "diagonal",
        "expand",
        "permute",
        "select",
        "slice",
        "split",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unsqueeze",
        "view",
    }
)
"""Operations that only look at the same memory in another way; torch has no public list of them."""


class Operations(TorchDispatchMode):
    """Counts the operations of a block, gradients too, views left out.

    Attributes:
        count: so many so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += func.overloadpacket.__name__ not in VIEWS
        return func(*args, **(kwargs or {}))


def operations(work: Callable[[], object]) -> int:
    """How many operations `work` launches that are no views."""
    counted = Operations()
    with counted:
        work()
    return counted.count
