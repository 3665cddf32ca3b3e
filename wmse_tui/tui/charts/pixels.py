"""Pictures as bytes, from files and from arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST = 40_000_000  # pixels
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PictureError(Exception):
    """A picture that cannot be shown; the text is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture: three bytes a pixel (red, green, blue), row by row from the top."""

    width: int
    height: int
    data: bytes


def read_picture(path: Path) -> Pixels:
    """The pixels of a PNG file. It takes as long as the disk takes: not for the event loop.

    Raises:
        PictureError: there is no such file, it is no PNG, it is damaged, or it is too large to be shown.
    """
    from PIL import Image

    try:
        with path.open("rb") as file:
            _check(file.read(24), path.name)  # before Pillow reserves room for it, or warns
            file.seek(0)
            with Image.open(file, formats=("PNG",)) as image:
                rgb = image.convert("RGB")
    except OSError as error:
        raise PictureError(f"{path.name} cannot be read: {error.strerror or 'it is damaged'}") from error
    except (ValueError, SyntaxError, EOFError, MemoryError) as error:  # Pillow's ways to say so
        raise PictureError(f"{path.name} cannot be read: it is damaged") from error
    return Pixels(rgb.width, rgb.height, rgb.tobytes())


def array_picture(array: Any) -> Pixels:
    """The pixels of an array (height, width, 3) or (height, width): integers to 255, or floats in [0, 1].

    Raises:
        PictureError: it is not such an array.
    """
    import numpy as np

    values = np.asarray(array)
    if values.ndim == 2:
        values = np.repeat(values[:, :, None], 3, axis=2)
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape or values.dtype.kind not in "uif":
        raise PictureError(f"an array of shape {values.shape} is not a picture")
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0) * 255 + 0.5
    height, width = values.shape[:2]
    return Pixels(width, height, values.clip(0, 255).astype(np.uint8).tobytes())


def _check(head: bytes, name: str) -> None:
    if head[:8] != _SIGNATURE:
        raise PictureError(f"{name} is not a PNG picture")
    width, height = (int.from_bytes(head[start : start + 4]) for start in (16, 20))
    if not 0 < width * height <= _MOST:
        raise PictureError(f"{name} has {width} x {height} pixels, which cannot be shown")
