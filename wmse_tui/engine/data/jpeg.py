"""JPEGs that a device decodes, and whether its decoder is correct.

Decoders agree on ordinary photographs: three components of 8 bits, luma and chroma, baseline or progressive.
Grey, CMYK, colours stored as RGB, other kinds of compression, what has no end, and what Pillow would call a
bomb are left to Pillow, so the result, or the error, is the usual one. Both ignore orientation tags.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor

BASELINE, PROGRESSIVE = 0xC0, 0xC2
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of all kinds of compression
START, SCAN, ADOBE, END = 0xD8, 0xDA, 0xEE, b"\xff\xd9"
BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
NEAR = 4.0  # mean difference in grey levels to Pillow that a decoder may have on a smooth image


def ordinary(data: bytes | bytearray) -> tuple[int, int] | None:
    """Height and width, px, of a JPEG file that all decoders read alike; None for files left to Pillow."""
    if data[:2] != bytes((0xFF, START)):
        return None
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == SCAN:
            return size if data.rfind(END) > at else None
        segment = data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4])]
        if marker in FRAMES:
            size = _size(segment) if marker in (BASELINE, PROGRESSIVE) else None
            if size is None:
                return None
        elif marker == ADOBE and segment[:5] == b"Adobe" and segment[11:12] == b"\0":
            return None  # no transform: the components are red, green and blue
        at += 4 + len(segment)
    return None


def _size(frame: bytes | bytearray) -> tuple[int, int] | None:
    """Height and width in a frame header, if it is of the ordinary kind."""
    if len(frame) != 15 or frame[0] != 8 or frame[5] != 3 or bytes(frame[6::3]) == b"RGB":
        return None
    height, width = int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])
    most = Image.MAX_IMAGE_PIXELS
    return (height, width) if height * width > 0 and (most is None or height * width <= most) else None


def decode_jpegs(files: Sequence[bytearray], device: torch.device) -> list[Tensor | None]:
    """The images in some files, uint8 (3, height, width) on `device`; None for those it cannot decode.

    Raises:
        OutOfMemoryError: on the device.

    On a GPU this waits for the current stream: call it on a stream of its own (`staging.SideStream`).
    """
    if not files:
        return []
    try:
        return list(_decode(files, device))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # of one of them; the decoder does not report which
        if len(files) == 1:
            return [None]
        half = len(files) // 2
        return decode_jpegs(files[:half], device) + decode_jpegs(files[half:], device)


def _decode(files: Sequence[bytearray], device: torch.device) -> list[Tensor]:
    if device.type == "cuda":
        # nvJPEG writes into memory that the allocator gives to the current stream, and does not wait for
        # that stream: kernels queued there may still read what was in it before.
        torch.cuda.current_stream(device).synchronize()
    with warnings.catch_warnings():
        # torchvision 0.29 announces the removal of its decoders; `decoder_fault` finds them missing then.
        warnings.filterwarnings("ignore", message=".*TorchCodec", category=DeprecationWarning)
        encoded = [torch.frombuffer(data, dtype=torch.uint8) for data in files]
        mode = torchvision.io.ImageReadMode.RGB
        found: list[Tensor] = torchvision.io.decode_jpeg(encoded, mode=mode, device=device)
        return found


def decoder_fault(device: torch.device) -> str | None:
    """Why JPEGs cannot be decoded on `device`, found out by decoding one; None if they can."""
    ramp = np.linspace(0, 255, 64)
    red, green = np.broadcast_to(ramp, (48, 64)), np.broadcast_to(ramp[:48, None], (48, 64))
    image = Image.fromarray(np.stack((red, green, 255 - red), axis=2).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    try:
        (found,) = _decode([bytearray(file.getvalue())], device)
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, RuntimeError) as error:
        return f"torchvision {torchvision.__version__} cannot: {str(error).partition(chr(10))[0]}"
    with Image.open(file) as pillows:
        expected = torch.from_numpy(np.array(pillows)).permute(2, 0, 1).float()
    if found.shape != expected.shape or float((found.cpu().float() - expected).abs().mean()) > NEAR:
        return "its decoder does not agree with Pillow"
    return None
