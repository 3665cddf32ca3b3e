"""Numeric arrays of MATLAB files of version 5 (MathWorks, "MAT-File Format"): some labels are published so.

Only real numeric arrays are read; whatever else is in a file is passed over.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 2 * 10**9
"""Bytes of one unpacked array, at most."""
_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC = range(6, 16)
_COMPLEX = 0x800


def matlab_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a file by their names, with the dimensions that MATLAB gives them.

    Raises:
        ValueError: it is no such file, or is damaged.
    """
    if len(content) < _HEADER or content[126:128] not in (b"IM", b"MI"):
        raise ValueError("no MATLAB file of version 5")
    order = "<" if content[126:128] == b"IM" else ">"
    found = {}
    try:
        for kind, data in _elements(memoryview(content)[_HEADER:], order):
            if kind == _COMPRESSED:
                unpacker = zlib.decompressobj()
                unpacked = unpacker.decompress(data, LARGEST)
                if unpacker.unconsumed_tail:
                    raise ValueError(f"an array of more than {LARGEST:,} bytes")
                kind, data = next(_elements(memoryview(unpacked), order))
            if kind == _MATRIX and (array := _array(data, order)) is not None:
                found[array[0]] = array[1]
    except (struct.error, zlib.error, StopIteration, UnicodeDecodeError, KeyError) as error:
        raise ValueError(f"a damaged MATLAB file: {error!r}") from None
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """The type and the bytes of each data element."""
    start = 0
    while start < len(data):
        kind, size = struct.unpack_from(order + "II", data, start)
        if kind >> 16:  # a small one: type and size in one word, up to four bytes in the next
            kind, size, first, whole = kind & 0xFFFF, kind >> 16, start + 4, 8
        else:
            first = start + 8
            whole = 8 + size if kind == _COMPRESSED else 8 + -(-size // 8) * 8
        if first + size > len(data):
            raise ValueError("the MATLAB file is cut")
        yield kind, data[first : first + size]
        start += whole


def _array(data: memoryview, order: str) -> tuple[str, NDArray[Any]] | None:
    """Name and values of a matrix; None where it is not a real numeric one."""
    elements = _elements(data, order)
    (_, flags), (_, dims), (_, name) = (next(elements) for _ in range(3))
    kind = struct.unpack_from(order + "I", flags)[0]
    if kind & 0xFF not in _NUMERIC or kind & _COMPLEX:
        return None
    shape = struct.unpack(f"{order}{len(dims) // 4}i", dims)
    stored, values = next(elements)
    array = np.frombuffer(values, np.dtype(order + _TYPES[stored]))
    if array.size != prod(shape):
        raise ValueError(f"{array.size} numbers in an array of {shape}")
    return bytes(name).decode("ascii"), array.reshape(shape, order="F")
