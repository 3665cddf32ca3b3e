"""MATLAB files as SciPy writes them."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wmse_tui.engine.data.sources.matlab import matlab_arrays

ARRAYS: dict[str, NDArray[Any]] = {
    "X": np.arange(120, dtype=np.uint8).reshape(2, 3, 4, 5),
    "y": np.array([[1], [10], [3]], dtype=np.uint8),
    "trnid": np.arange(5, dtype=np.float64)[None] * 1.5,
    "n": np.array([[-7]], dtype=np.int16),
}


def written(compressed: bool, **more: object) -> bytes:
    from scipy.io import savemat  # slow to import: not in every test process

    file = io.BytesIO()
    savemat(file, {**ARRAYS, **more}, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_those_that_were_written_and_other_things_are_passed_over(compressed: bool) -> None:
    found = matlab_arrays(written(compressed, text="abc", made={"a": 1.0}, waves=np.array([1j])))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert np.array_equal(found[name], array)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_refused(compressed: bool) -> None:
    whole = written(compressed)
    for content in (b"", whole[:100], whole[:-9], whole[:150], b"\0" * 200, whole[:136] + b"\xff" * 50):
        with pytest.raises(ValueError, match="MATLAB"):
            matlab_arrays(content)


def test_every_changed_byte_gives_arrays_or_a_refusal() -> None:
    whole = bytearray(written(True))
    random = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole)
        changed[random.integers(128, len(whole))] ^= int(random.integers(1, 256))
        with suppress(ValueError):
            for array in matlab_arrays(bytes(changed)).values():
                assert array.nbytes <= 1032 * len(whole)  # what zlib can unpack at most
