"""Makers of small archives and image files in the forms in which data sets come."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def make_tar(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    """A .tar.gz of named bytes, or of whatever entry is given."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def make_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    """A .zip of named bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members:
            archive.writestr(name, body)
    return path


def make_image(path: Path, shade: int = 128, size: tuple[int, int] = (8, 8)) -> Path:
    """An image file of one shade of grey; its folders too. The extension decides its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpeg": "JPEG", ".jpg": "JPEG"}.get(path.suffix.lower(), path.suffix[1:].upper())
    Image.fromarray(np.full((size[1], size[0], 3), shade, np.uint8)).save(path, format=kind)
    return path


@pytest.fixture
def tar() -> Callable[..., Path]:
    return make_tar


@pytest.fixture
def zipped() -> Callable[..., Path]:
    return make_zip


@pytest.fixture
def picture() -> Callable[..., Path]:
    return make_image
