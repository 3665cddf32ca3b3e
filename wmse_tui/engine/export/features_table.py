"""Features and labels as files: NumPy's `.npz`, and Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesTable:
    """One row for each image, in the order of the data set.

    Args:
        features: (images, dim) float32.
        labels: (images,) int64; -1 where an image has none.
        index: (images,) int64, the image's index in its split.
        split: (images,) the name of the split of each image.
        classes: names of the labels; empty where they have none.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    index: NDArray[np.int64]
    split: Sequence[str]
    classes: Sequence[str]


def write_npz(table: FeaturesTable, path: Path, facts: Mapping[str, Any]) -> None:
    """Arrays features, labels, index, split and classes, and `meta`, a JSON string; no pickles."""
    with path.open("wb") as file:
        np.savez(
            file,
            features=table.features,
            labels=table.labels,
            index=table.index,
            split=np.array(table.split, dtype=np.str_),
            classes=np.array(table.classes, dtype=np.str_),
            meta=np.array(json.dumps(facts)),
        )


def write_parquet(table: FeaturesTable, path: Path, facts: Mapping[str, Any]) -> None:
    """Columns index, split, label, class_name and features (a list of `dim` float32 each), in Zstandard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    dim = table.features.shape[1]
    names = [table.classes[label] if 0 <= label < len(table.classes) else None for label in table.labels]
    columns = {
        "index": pa.array(table.index, pa.int64()),
        "split": pa.array(table.split).dictionary_encode(),
        "label": pa.array(table.labels, pa.int64()),
        "class_name": pa.array(names, pa.string()).dictionary_encode(),
        "features": pa.FixedSizeListArray.from_arrays(pa.array(table.features.ravel(), pa.float32()), dim),
    }
    metadata = {"wmse_tui": json.dumps(facts)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


TableWriter = Callable[[FeaturesTable, Path, Mapping[str, Any]], None]
TABLE_WRITERS: Mapping[str, TableWriter] = MappingProxyType({"npz": write_npz, "parquet": write_parquet})
