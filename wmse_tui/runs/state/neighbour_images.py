"""Test images with their nearest training images, as the engine's command `neighbours` saves them in a run.

`artifacts/neighbours.json` names the PNG file beside it: a grid of squares, a row for each test image, first
the image itself, then its neighbours, the nearest first.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.log.events import Count
from wmse_tui.runs.run_folder import read_file

NEIGHBOURS_FILE = "neighbours.json"
FORMAT = 1
_LARGEST = 1 << 20  # bytes
_FILE = re.compile(r"neighbours-[0-9]{8,15}\.png", re.ASCII)
_Class = Annotated[str, Field(max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourImages:
    """What the grid shows.

    Attributes:
        v: the format.
        file: the PNG file in `artifacts`.
        tile: side of a square, px.
        epoch, step, checkpoint: whose encoder it is.
        metric: of the distances between features.
        classes: of each row the class of the test image and those of its neighbours; "": it has none.
        images: training images that were searched, of so many (`of`).
        split, train_split: where the images are from.
    """

    v: Count
    file: str
    tile: Annotated[int, Field(ge=1, le=512)]
    epoch: Count
    step: Count
    checkpoint: str
    metric: str
    classes: tuple[tuple[_Class, ...], ...]
    images: Count
    of: Count
    split: str
    train_split: str


def read_neighbours(run: RunDirectory) -> NeighbourImages | None:
    """The newest ones that were saved; None where there are none.

    Raises:
        StorageError: they cannot be read, or are no such images.
    """
    path = run.artifacts / NEIGHBOURS_FILE
    try:
        found = _ADAPTER.validate_python(json.loads(read_file(path, _LARGEST)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError.of("read the nearest neighbours", path, error) from error
    except (ValueError, RecursionError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise StorageError("the nearest neighbours cannot be used", f"{path}: {first}") from None
    widths = {len(row) for row in found.classes}
    if found.v != FORMAT or not _FILE.fullmatch(found.file) or len(widths) != 1 or 0 in widths:
        raise StorageError("the nearest neighbours cannot be used", f"{path}: it has another format")
    return found


_ADAPTER = TypeAdapter(NeighbourImages)
