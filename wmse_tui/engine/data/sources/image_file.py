"""One image file of any kind as an RGB PIL image; errors name the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from wmse_tui.engine.errors import DataError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"}
)

_MAGIC = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"BM",
    b"II*\0",  # TIFF, both byte orders, and its form for large files
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    *(b"P%d" % kind for kind in range(1, 7)),  # the PNM family
)
_BEGINNING = 16


def decode_image(path: str | Path) -> Image.Image:
    """The first frame of an image file as RGB.

    Grey is repeated, transparency dropped, CMYK converted, as torchvision's ImageFolder does; more than eight
    bits are scaled to eight instead of being cut off at 255. Orientation tags are ignored, as there.

    Raises:
        DataError: the file cannot be read or decoded.
    """
    try:
        with Image.open(path) as image:
            return to_rgb(image)
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise DataError(
            "an image cannot be read",
            f"{path}: {_cause(error)}",
            next=(f"replace or remove {path} and start again",),
        ) from error


def to_rgb(image: Image.Image) -> Image.Image:
    """A PIL image of any mode as 8-bit RGB."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.mode in {"P", "PA"} and "transparency" in image.info:
        image = image.convert("RGBA")  # else PIL warns that the transparency is lost
    return image.convert("RGB")


def unreadable(path: str) -> str | None:
    """What is wrong with a file, judged by its first bytes; None if it may be an image."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path per file costs seconds
            beginning = file.read(_BEGINNING)
    except OSError as error:
        return error.strerror or str(error)
    if not beginning:
        return "empty file"
    if beginning.startswith(_MAGIC) or (beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"):
        return None
    return "not an image"


def _eight_bits(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Grey levels of a 16-bit, 32-bit or floating point image, scaled to 0..255 by the range of its kind."""
    values = np.asarray(image, dtype=np.float64)
    high = float(values.max(initial=0.0))
    if image.mode.startswith("I;16"):
        white = 65535.0
    elif image.mode == "F":
        white = 1.0 if high <= 1 else 255.0 if high <= 255 else high
    else:  # 32-bit integers, most often from 16-bit files
        white = 255.0 if high <= 255 else 65535.0 if high <= 65535 else high
    return np.rint(np.clip(np.nan_to_num(values) / white, 0, 1) * 255).astype(np.uint8)


def _cause(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a kind that Pillow does not know"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
