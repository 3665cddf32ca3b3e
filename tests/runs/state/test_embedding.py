"""The map of embeddings: read where it is one, refused with a sentence where it is not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.state.embedding import EmbeddingMap, read_embedding


def write(path: Path, **changes: Any) -> Path:
    arrays: dict[str, Any] = {
        "points": np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], np.float32),
        "labels": np.array([0, 1, 1]),
        "classes": np.array(["cat", "dog"]),
        "step": 95,
        "epoch": 5,
        "method": "pca",
    }
    arrays.update(changes)
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embedding.npz"


def test_a_map_is_read(path: Path) -> None:
    assert read_embedding(write(path)) == EmbeddingMap(
        points=((0.0, 1.0), (2.0, 3.0), (4.0, 5.0)),
        labels=(0, 1, 1),
        classes=("cat", "dog"),
        step=95,
        epoch=5,
        method="pca",
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"points": None}, "There is no item named 'points.npy' in the archive"),
        ({"points": np.zeros((3, 3), np.float32)}, r"points are float32 \(3, 3\), not \(images, 2\)"),
        ({"points": np.array([["a", "b"]] * 3)}, r"points are <U1 \(3, 2\)"),
        ({"points": np.full((3, 2), np.nan, np.float32)}, "a point is not finite"),
        ({"labels": np.array([0, 1])}, r"there are 3 points and labels are int64 \(2,\)"),
        ({"labels": np.array([0, 1, 2])}, "a label is outside the 2 classes"),
        ({"labels": np.array([-1, 0, 1])}, "a label is outside the 2 classes"),
        ({"classes": np.array([1, 2])}, "classes are no list of names"),
        ({"classes": np.array([{"a": 1}, 2], dtype=object)}, "allow_pickle"),
        ({"step": np.array([1, 2])}, "only "),
        ({"points": np.zeros((6000, 2), np.float32), "labels": np.zeros(6000, int)}, "too many to draw"),
        ({"more": np.zeros(3_000_000)}, "more than 4194304 bytes"),
    ],
)
def test_what_is_no_map_is_refused(path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(StorageError, match=f"the map of embeddings cannot be used: .*{sentence}"):
        read_embedding(write(path, **changes))


@pytest.mark.parametrize("cut", [0, 10, 200, 900])
def test_a_damaged_file_is_refused(path: Path, cut: int) -> None:
    content = write(path).read_bytes()
    path.write_bytes(content[:cut])
    with pytest.raises(StorageError, match="the map of embeddings cannot be used"):
        read_embedding(path)


def test_every_flipped_byte_is_a_map_or_a_sentence(path: Path) -> None:
    content = write(path).read_bytes()
    refused = 0
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_embedding(path)
        except StorageError:
            refused += 1
    assert refused > 50


def test_a_file_that_is_not_there_is_an_error_with_its_path(path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"cannot read the map of embeddings: .*embedding\.npz: No such file"
    ):
        read_embedding(path)


def test_a_file_that_claims_more_points_than_memory_holds_is_refused(path: Path) -> None:
    def header(shape: tuple[int, ...], kind: str) -> bytes:
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
        return file.getvalue()

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("points.npy", header((10**13, 2), "<f4"))
        for name in ("labels", "classes", "step", "epoch", "method"):
            archive.writestr(f"{name}.npy", header((0,), "<i8"))
    with pytest.raises(StorageError, match="the map of embeddings cannot be used"):
        read_embedding(path)
