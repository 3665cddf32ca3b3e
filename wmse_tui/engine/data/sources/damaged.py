"""Images that cannot be read: the first one is an error, or each is passed over and counted.

An image that is passed over keeps its index, label and turn in every epoch, so that nothing else of a run
changes; the next image of the set that can be read takes its position. Evaluations leave it out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wmse_tui.config.locations import expanded
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.engine.data.sources.scan import count_text, listing
from wmse_tui.engine.errors import DataError

REMOVED = "removed after an earlier attempt named it"


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedPolicy:
    """What becomes of images that cannot be read.

    Args:
        skip: they are passed over; else the first one is an error.
        limit: the share of a set above which passing over is an error too.
        named: files that earlier attempts named as damaged. One of them that has been removed since is passed
            over in any case, and one that has been replaced may have other contents.
    """

    skip: bool = False
    limit: float = 1.0
    named: frozenset[str] = frozenset()

    def removed(self, path: str) -> bool:
        """Whether a file is one of those named, and no longer there."""
        return path in self.named and not os.path.lexists(path)


STOP = DamagedPolicy()
"""The first damaged image is an error."""


class DamagedImages:
    """The images of one set that are passed over. Worker processes have copies; `merge` joins them.

    Args:
        split: the set as text, for errors.
        images: how many it has.
        policy: what becomes of damaged ones.

    Attributes:
        files: each by its path, with the reason.
    """

    def __init__(self, split: str, images: int, policy: DamagedPolicy) -> None:
        self.split, self.images, self.policy = split, images, policy
        self.files: dict[str, str] = {}

    def pass_over(self, damaged: Mapping[str, str], error: DataError) -> None:
        """Count images.

        Args:
            damaged: their files, with the reasons.
            error: raised where one of them is not passed over.

        Raises:
            DataError: `error`, or that there are more than the policy allows.
        """
        removed = {path: REMOVED for path in damaged if self.policy.removed(path)}
        if not self.policy.skip and len(removed) < len(damaged):
            raise error
        self.merge({**damaged, **removed})

    def merge(self, files: Mapping[str, str]) -> None:
        """Count the images that a worker process has passed over.

        Raises:
            DataError: there are more than the policy allows.
        """
        self.files.update(files)
        damaged = tuple(path for path, reason in self.files.items() if reason != REMOVED)
        limit = self.policy.limit
        if len(damaged) > limit * self.images:
            raise DataError(
                "too many images cannot be read",
                f"{len(damaged):,} of {count_text(self.images, 'image')} ({self.split}) so far, and "
                f"dataset.damaged_limit is {limit:g}: {listing(damaged, 10)}",
                next=(
                    "check the disk and the folder: so many are seldom damaged one by one",
                    "or allow more of them: --set dataset.damaged_limit=1",
                ),
                files=damaged,
            )


def policy_of(dataset: Dataset, root: Path, named: frozenset[str] = frozenset()) -> DamagedPolicy:
    """The policy of a configuration.

    Args:
        dataset: the section.
        root: the folder of its images.
        named: names (`name_of`) of files that earlier attempts named as damaged.
    """
    return DamagedPolicy(
        skip=dataset.on_damaged == "skip",
        limit=dataset.damaged_limit,
        named=frozenset(path_of(name, dataset, root) for name in named),
    )


def name_of(path: str, dataset: Dataset, root: Path) -> str:
    """The name of an image file that stays the same when its folder is moved: `root/train/a/0001.jpg`.

    Bytes that are no UTF-8 are written as in a URL, and so is the percent sign.
    """
    for option, folder in _folders(dataset, root):
        if path.startswith(f"{folder}/"):
            path = f"{option}{path[len(folder) :]}"
            break
    return re.sub("[%\udc80-\udcff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", path)


def path_of(name: str, dataset: Dataset, root: Path) -> str:
    """The path of the image file of a name."""

    def character(match: re.Match[str]) -> str:
        byte = int(match[1], 16)
        return chr(byte if byte < 0x80 else 0xDC00 + byte)

    path = re.sub("%([0-9A-F]{2})", character, name)
    option, _, rest = path.partition("/")
    folder = dict(_folders(dataset, root)).get(option)
    return path if folder is None else f"{folder}/{rest}"


def _folders(dataset: Dataset, root: Path) -> list[tuple[str, str]]:
    """The folders with images: the option that names each, and its path without a slash at its end."""
    named = {"root": root, "probe_train": dataset.probe_train, "probe_test": dataset.probe_test}
    return [(option, str(expanded(folder))) for option, folder in named.items() if folder is not None]
