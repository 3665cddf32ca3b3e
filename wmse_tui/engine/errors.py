"""The failures that the trainer reports: a code, what happened, and what to do next.

EngineError
├── DataError        the images or their labels cannot be had          E_DATA
├── DeviceError      the configured device cannot be used               E_DEVICE
├── CheckpointError  a checkpoint cannot be read, or does not fit      E_CHECKPOINT
├── WhiteningFailed  a covariance has no inverse root                  E_WHITENING
└── Diverged         the loss is not finite                            E_NONFINITE
"""

from __future__ import annotations


class EngineError(Exception):
    """A failure with its explanation.

    Args:
        title: what happened, in one line.
        detail: the evidence: where, which numbers, what was expected.
        next: what a person can do, most promising first.
    """

    code = "E_INTERNAL"

    def __init__(self, title: str, detail: str = "", *, next: tuple[str, ...] = ()) -> None:  # noqa: A002
        super().__init__(title if not detail else f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.next = next


class DataError(EngineError):
    """The images or their labels cannot be had."""

    code = "E_DATA"


class DeviceError(EngineError):
    """The configured device cannot be used; the detail is the reason."""

    code = "E_DEVICE"


class CheckpointError(EngineError):
    """A checkpoint is damaged, foreign or does not fit the configuration."""

    code = "E_CHECKPOINT"


class WhiteningFailed(EngineError):
    """A slice of embeddings cannot be whitened: NaN, too few images, or collapsed dimensions."""

    code = "E_WHITENING"


class Diverged(EngineError):
    """The loss is not a finite number."""

    code = "E_NONFINITE"
