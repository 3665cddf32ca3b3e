"""One image file of any kind as an RGB PIL image; errors name the file."""

from __future__ import annotations

import errno
import os
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wmse_tui.config.regular_files import open_regular
from wmse_tui.engine.errors import DataError
from wmse_tui.runs.text.sanitize import safe

USUAL_EXTENSIONS = ".avif .bmp .gif .jp2 .jpeg .jpg .pgm .png .ppm .tif .tiff .webp"
"""Those to name where there are no images."""

REFUSED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow recognises and decodes only with another program, or not at all."""

NO_DATA = 1e30
"""Values beyond this mark pixels without data: the largest float32 is 3.4e38."""
NO_INTEGER = 2**31 - 1
"""The largest 32-bit integer, which likewise marks them."""

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

LARGEST_FILE = 2**30
"""Bytes of an image file; the largest picture that is decoded needs less, unpacked."""
_BAND_PIXELS = 2**20
"""Values that are converted at once: each needs eight bytes, several times."""


class DecodedImage(NamedTuple):
    """A picture, and how many of its values are no numbers (NaN, infinite, marked as no data)."""

    picture: Image.Image
    cleaned: int


def repairs(what: str) -> tuple[str, ...]:
    """What to do about images that cannot be read."""
    return (
        f"put an intact copy in the place of {what}, or remove it, then resume the run",
        "or pass over such images: --set dataset.on_damaged=skip",
    )


class DamagedImage(DataError):
    """An image file that cannot be read, and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        name = safe(path)  # of a file that another user named
        super().__init__("an image cannot be read", f"{name}: {reason}", next=repairs(name), files=(path,))
        self.reason = reason

    def __reduce__(self) -> tuple[type[DamagedImage], tuple[str, str]]:
        return DamagedImage, (self.files[0], self.reason)  # from a worker process


def decode_image(path: str | Path) -> Image.Image:
    """The first frame of an image file as RGB.

    Grey is repeated, transparency dropped, CMYK converted, as torchvision's ImageFolder does; more than eight
    bits are scaled to eight instead of being cut off at 255. Orientation tags are ignored, as there.

    Raises:
        DamagedImage: the file cannot be read or decoded.
    """
    return decode_cleaned(path).picture


def decode_cleaned(path: str | Path) -> DecodedImage:
    """As `decode_image`, with the number of values that had to be replaced.

    Raises:
        DamagedImage: the file cannot be read or decoded, whatever exception its decoder raised.
    """
    try:
        with open_image(path) as file, Image.open(file, formats=_formats(path)) as image:
            _require_size(image.width, image.height)
            return to_rgb(image)
    except Exception as error:  # a decoder of foreign bytes may raise anything
        raise DamagedImage(str(path), _cause(error)) from error


def open_image(path: str | Path) -> BinaryIO:
    """An image file, to read.

    Raises:
        OSError: it is no regular file, cannot be opened, or is larger than any image: decoders read it whole.
    """
    file = open_regular(path)
    size = os.fstat(file.fileno()).st_size
    if size > LARGEST_FILE:
        file.close()
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, and {LARGEST_FILE:,} is the most", str(path))
    return file


def _require_size(width: int, height: int) -> None:
    """Refuse what a small file may claim, before memory is allocated for it."""
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and width * height > most:
        raise ValueError(f"it has {width} x {height} pixels, and {most:,} is the most")


def to_rgb(image: Image.Image) -> DecodedImage:
    """A PIL image of any mode as 8-bit RGB."""
    if image.mode.startswith(("I", "F")):
        grey, cleaned = _eight_bits(image)
        return DecodedImage(Image.fromarray(grey).convert("RGB"), cleaned)
    if image.mode in {"P", "PA"} and "transparency" in image.info:
        image = image.convert("RGBA")  # else PIL warns that the transparency is lost
    return DecodedImage(image.convert("RGB"), 0)


def unreadable(path: str) -> str | None:
    """What is wrong with a file, judged by its beginning; None if it may be an image."""
    try:
        with open_image(path) as file:
            beginning = file.read(_BEGINNING)
            if not beginning:
                return "empty file"
            if beginning.startswith(_MAGIC) or (beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"):
                return None
            file.seek(0)
            with Image.open(file, formats=_formats(path)):  # reads the header only
                return None
    except UnidentifiedImageError:
        return "not an image"
    except Exception as error:  # noqa: BLE001  a decoder of foreign bytes may raise anything
        return _cause(error)


def may_hold_no_numbers(path: str) -> bool:
    """Whether images with such a name may have values that are no numbers."""
    return path.lower().endswith((".tif", ".tiff", ".pfm", ".fit", ".fits", ".im"))


@cache
def _signed_formats() -> tuple[str, ...]:
    """Pillow's formats that are recognised by their first bytes, the usual ones first."""
    Image.init()
    return tuple(name for name in Image.ID if Image.OPEN[name][1] is not None and name not in REFUSED)


@cache
def _formats_of_extension(extension: str) -> tuple[str, ...]:
    """Formats without a signature, such as TGA, count by the name: to them any bytes may be a picture."""
    signed = _signed_formats()
    name = Image.registered_extensions().get(extension)
    return signed if name is None or name in signed or name in REFUSED else (*signed, name)


def _formats(path: str | Path) -> tuple[str, ...]:
    return _formats_of_extension(os.path.splitext(path)[1].lower())  # noqa: PTH122 - millions of files


def _eight_bits(image: Image.Image) -> tuple[NDArray[np.uint8], int]:
    """Grey levels of a 16-bit, 32-bit or floating point image, scaled to 0..255 by the range of its kind.

    Values that are no numbers, are infinite or mark pixels without data become black and do not count for the
    range. Their number is returned too.
    """
    rows = max(1, _BAND_PIXELS // max(1, image.width))
    bands = [(0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)]
    high = max((_values(image, band)[1] for band in bands), default=0.0)
    if image.mode.startswith("I;16"):
        white = 65535.0
    elif image.mode == "F":
        white = 1.0 if high <= 1 else 255.0 if high <= 255 else high
    else:  # 32-bit integers, most often from 16-bit files
        white = 255.0 if high <= 255 else 65535.0 if high <= 65535 else high
    grey = np.empty((image.height, image.width), np.uint8)
    cleaned = 0
    for band in bands:
        values, _, unusable = _values(image, band)
        grey[band[1] : band[3]] = np.rint(np.clip(values / white, 0, 1) * 255)
        cleaned += unusable
    return grey, cleaned


def _values(image: Image.Image, band: tuple[int, int, int, int]) -> tuple[NDArray[np.float64], float, int]:
    """The values of some rows, unusable ones as 0; the largest, at least 0; and how many are unusable."""
    values = np.asarray(image.crop(band), dtype=np.float64)
    usable = np.abs(values) < (NO_DATA if image.mode == "F" else NO_INTEGER)  # false for NaN
    high = float(values.max(initial=0.0, where=usable))
    return np.where(usable, values, 0), high, int(usable.size - np.count_nonzero(usable))


def _cause(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or of a kind that Pillow does not know"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
