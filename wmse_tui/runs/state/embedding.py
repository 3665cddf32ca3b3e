"""The maps of test embeddings that a trainer writes to `artifacts/`, validated on load.

`embedding.npz` is the newest, `embedding-00000200.npz` that of step 200; MOST_MAPS of these are saved.
A file has `points` float32 (images, 2), `labels` int64 (images,), `classes` (names), `step`, `epoch` and
`method` (pca or tsne).
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wmse_tui.config.regular_files import RefusedFile
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.run_folder import RunFolder, read_file, remove_file
from wmse_tui.runs.state.thinning import least_needed

NEWEST_MAP = "embedding.npz"
MOST_MAPS = 100
"""Maps of earlier steps that are saved, evenly over the run."""
MOST_POINTS = 5000
MOST_CLASSES = 2000
_STEP = re.compile(r"embedding-([0-9]{8,15})\.npz", re.ASCII)
_LARGEST = 4 * 1024 * 1024  # bytes, packed and unpacked
_NAMES = ("points", "labels", "classes", "step", "epoch", "method")
# What numpy and zipfile raise for damaged files is not documented as one family. A size in the file may claim
# more points than memory holds.
_DAMAGE = (
    ValueError,
    EOFError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingMap:
    """Images as points, coloured by what they show.

    Attributes:
        points: x and y of each image.
        labels: the class of each image, an index into `classes`.
        classes: their names, as in the file: not sanitised.
        method: how two dimensions were made of many: pca, tsne.
    """

    points: tuple[tuple[float, float], ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    step: int
    epoch: int
    method: str


def map_name(step: int) -> str:
    """The name of the file of the map of that step."""
    return f"embedding-{step:08d}.npz"


def saved_map_steps(artifacts: Path) -> tuple[int, ...]:
    """The steps of the maps in that folder, rising; none where it cannot be listed."""
    try:
        with RunFolder(artifacts) as folder:
            names = folder.names()
    except OSError:
        return ()
    return tuple(sorted(int(found[1]) for name in names if (found := _STEP.fullmatch(name))))


def drop_maps(artifacts: Path) -> None:
    """Remove maps of earlier steps until there are MOST_MAPS, evenly over the run.

    Raises:
        OSError: one cannot be removed.
    """
    steps = list(saved_map_steps(artifacts))
    while len(steps) > MOST_MAPS:
        remove_file(artifacts / map_name(steps.pop(least_needed(steps))))


def read_embedding(path: Path) -> EmbeddingMap:
    """The map in `path`.

    Raises:
        StorageError: it cannot be read, or is no map.
    """
    arrays = read_arrays(path)
    with _damage_refused(path):
        return _checked(path, arrays)


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of the map in `path`, by name; their shapes and values are not checked.

    Raises:
        StorageError: it cannot be read, is too large, or one is missing.
    """
    import numpy as np

    try:
        content = read_file(path, _LARGEST)
    except RefusedFile as error:
        raise _bad(path, error.strerror or "") from None
    except OSError as error:
        raise StorageError.of("read the map of embeddings", path, error) from error
    with _damage_refused(path):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LARGEST:
                raise _bad(path, f"it holds more than {_LARGEST} bytes")
            for name in _NAMES:
                _require_values(path, archive, name)
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in _NAMES}


@contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise _bad(path, str(error.args[0]) if error.args else "something is missing") from None
    except _DAMAGE as error:
        raise _bad(path, str(error) or type(error).__name__) from None


def _checked(path: Path, arrays: dict[str, Any]) -> EmbeddingMap:
    import numpy as np

    points, labels, classes = arrays["points"], arrays["labels"], arrays["classes"]
    if points.ndim != 2 or points.shape[1] != 2 or not np.issubdtype(points.dtype, np.floating):
        raise _bad(path, f"points are {points.dtype} {points.shape}, not (images, 2)")
    if labels.shape != (len(points),) or not np.issubdtype(labels.dtype, np.integer):
        raise _bad(path, f"there are {len(points)} points and labels are {labels.dtype} {labels.shape}")
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise _bad(path, "classes are no list of names")
    if len(points) > MOST_POINTS or len(classes) > MOST_CLASSES:
        raise _bad(path, f"{len(points)} points and {len(classes)} classes are too many to draw")
    if not np.isfinite(points).all():
        raise _bad(path, "a point is not finite")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise _bad(path, f"a label is outside the {len(classes)} classes")
    return EmbeddingMap(
        points=tuple((float(x), float(y)) for x, y in points.tolist()),
        labels=tuple(labels.tolist()),
        classes=tuple(classes.tolist()),
        step=int(arrays["step"]),
        epoch=int(arrays["epoch"]),
        method=str(arrays["method"]),
    )


def _require_values(path: Path, archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an array whose header claims more than the archive has, before memory is allocated for it."""
    from numpy.lib import format as npy

    with archive.open(f"{name}.npy") as member:
        version = npy.read_magic(member)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(member)
        values = math.prod(shape)
        if values * max(1, dtype.itemsize) > archive.getinfo(f"{name}.npy").file_size:
            raise _bad(path, f"{name} claims {values:,} values, which the file does not have")


def _bad(path: Path, why: str) -> StorageError:
    return StorageError("the map of embeddings cannot be used", f"{path}: {why}")
