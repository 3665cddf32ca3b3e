"""The failures that the trainer reports: a code, what happened, and what to do next.

EngineError
├── DataError        the images or their labels cannot be had          E_DATA
├── DeviceError      the configured device cannot be used               E_DEVICE
├── CheckpointError  a checkpoint cannot be read, or does not fit      E_CHECKPOINT
├── ExportError      an encoder has no form in a format, or its file fails   E_EXPORT
├── RankLost         the process of another device has ended or hangs    E_RANK
├── RankFailed       another rank failed by itself                     the code of that failure
├── RanksDiffer      the weights of the devices are not equal          E_RANKS_DIFFER
├── WhiteningFailed  a covariance has no inverse root                  E_WHITENING
└── Diverged         the loss is not finite                            E_NONFINITE
"""

from __future__ import annotations

from wmse_tui.config.problems import ExplainedError


class EngineError(ExplainedError):
    """A failure of this package."""


class DataError(EngineError):
    """The images or their labels cannot be had; `files` are those that cannot be read, if that is why."""

    code = "E_DATA"

    def __init__(
        self,
        title: str,
        detail: str = "",
        *,
        next: tuple[str, ...] = (),  # noqa: A002
        files: tuple[str, ...] = (),
    ) -> None:
        super().__init__(title, detail, next=next)
        self.files = files


class DeviceError(EngineError):
    """The configured device cannot be used; the detail is the reason."""

    code = "E_DEVICE"


class CheckpointError(EngineError):
    """A checkpoint is damaged, foreign or does not fit the configuration."""

    code = "E_CHECKPOINT"


class ExportError(EngineError):
    """An encoder has no form in a format, or an exported file does not give its features."""

    code = "E_EXPORT"


class RankLost(EngineError):
    """The process of another rank has ended, or shows no sign of life."""

    code = "E_RANK"


class RankFailed(EngineError):
    """Another rank failed by itself: `code` and `files` are of that failure (`files` as of a DataError)."""

    def __init__(
        self,
        title: str,
        detail: str,
        *,
        next: tuple[str, ...],  # noqa: A002
        code: str,
        files: tuple[str, ...],
    ) -> None:
        super().__init__(title, detail, next=next)
        self.code = code
        self.files = files


class RanksDiffer(EngineError):
    """The weights of the ranks are not equal: a defect of a device, or of this program."""

    code = "E_RANKS_DIFFER"


class WhiteningFailed(EngineError):
    """A slice of embeddings cannot be whitened: NaN, too few images, or collapsed dimensions."""

    code = "E_WHITENING"


class Diverged(EngineError):
    """The loss is not a finite number."""

    code = "E_NONFINITE"
