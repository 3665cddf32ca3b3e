"""Features of image sets, cached beside the run under the checksum of the checkpoint that they are of.

`RUN/features/CHECKPOINT-SET-SPLIT-KEY.pt`: which images could be read, and the features of these. The key is
a digest of all that the features depend on, so that what has changed is computed again. The folder is safe to
remove; files of checkpoints that the run no longer has are removed when something is added.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.run_folder import RunFolder

FORMAT = 1
_DIGITS = 16


@dataclass(frozen=True, slots=True, eq=False)
class ReadableFeatures:
    """Features (readable, dim) float32 of those of the images that could be read, bool (images,)."""

    features: Tensor
    readable: Tensor


class FeatureCache:
    """The cached features of one checkpoint of a run.

    Args:
        run: whose.
        sha256: the checkpoint's checksum.
    """

    def __init__(self, run: RunDirectory, sha256: str) -> None:
        self._run, self._sha256 = run, sha256

    def read(self, name: str, facts: Mapping[str, Any], images: int) -> ReadableFeatures | None:
        """The features saved under a name and these facts, on the CPU; None: there are none that can be used.

        Args:
            name: of the set and split.
            facts: all that the features depend on, beside the checkpoint; plain values.
            images: how many there are.
        """
        try:
            with RunFolder(self._run.features) as folder, folder.open(self._name(name, facts)) as file:
                found = torch.load(file, map_location="cpu", weights_only=True)
            features, readable = found["features"], found["readable"]
            usable = (
                features.ndim == 2
                and features.dtype == torch.float32
                and readable.dtype == torch.bool
                and readable.shape == (images,)
                and len(features) == int(readable.sum())
                and bool(features.isfinite().all())
            )
        except Exception:  # noqa: BLE001 (what is raised for damaged files is no one family)
            return None
        return ReadableFeatures(features, readable) if usable else None

    def write(self, name: str, facts: Mapping[str, Any], found: ReadableFeatures) -> bool:
        """Save features; False where that is not possible: another user's run, no space."""
        target = self._name(name, facts)
        aside = f".{target}.tmp"
        try:
            with RunFolder(self._run.path, own=True) as run:
                run.make_folder(self._run.features.name)
            with RunFolder(self._run.features, own=True) as folder:
                self._remove_stale(folder)
                try:
                    with folder.create(aside) as file:
                        torch.save({"features": found.features.cpu(), "readable": found.readable.cpu()}, file)
                        file.flush()
                        os.fsync(file.fileno())
                    folder.rename(aside, target)
                except BaseException:
                    folder.remove(aside)
                    raise
        except (OSError, RuntimeError):  # torch reports a full disk as either
            return False
        return True

    def _name(self, name: str, facts: Mapping[str, Any]) -> str:
        values = json.dumps({"v": FORMAT, "checkpoint": self._sha256, **facts}, sort_keys=True)
        key = hashlib.sha256(values.encode()).hexdigest()
        return f"{self._sha256[:_DIGITS]}-{name}-{key[:_DIGITS]}.pt"

    def _remove_stale(self, folder: RunFolder) -> None:
        present = {self._sha256[:_DIGITS]}
        with RunFolder(self._run.checkpoints) as checkpoints:
            for name in checkpoints.names():
                if name.endswith(".sha256"):
                    present.add(checkpoints.read(name)[:_DIGITS].decode("ascii", "replace"))
        for name in folder.names():
            if name.endswith(".pt") and name[:_DIGITS] not in present:
                folder.remove(name)
