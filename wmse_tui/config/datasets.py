"""Facts about each data set before it is read: sizes, splits, colours, bytes.

Normalisation constants are those of the W-MSE reference code, so that its numbers can be compared. Its
standard deviation of CIFAR-10 (0.2023, 0.1994, 0.2010) is smaller than that of the pixels (0.2470, 0.2435,
0.2616) and is used on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Triple = tuple[float, float, float]

_PICTURES = "apng avif avifs bmp dib gif j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx png qoi webp"
_MEASURED = "fit fits im iim pbm pcd pfm pgm pnm ppm tif tiff"
_OLD = (
    "blp bw cur dcx dds flc fli ftc ftu gbr icb icns ico msp pcx psd pxr ras rgb rgba sgi tga vda vst xbm xpm"
)
IMAGE_EXTENSIONS = frozenset(f".{name}" for names in (_PICTURES, _MEASURED, _OLD) for name in names.split())
"""Names of image files end with one of these: all that Pillow decodes, but for those that are refused."""
TRAIN_FOLDERS = ("train", "training")
"""Names, in any case, of the folder of a user's images that holds those to train on."""
TEST_FOLDERS = ("test", "testing", "tests", "val", "valid", "validation", "eval", "evaluation")
"""And of the one that holds those for the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """Facts of one data set; None where they depend on the user's files.

    Args:
        name: as in `dataset.name`.
        title: its usual name.
        train_images, probe_train_images, test_images: how many train the encoder, train the probes, test.
        classes: number of classes.
        size: side of the images, px; None: they differ.
        mean, std: normalisation of red, green, blue in 0 to 1.
        channels: colour channels.
        train_split, probe_split, test_split: the data set's own names of the three.
        archive_bytes: size of the download; 0: none (generated, or brought by the user).
        archive, folder: names of the download in the data folder, and of the folder it is unpacked to; empty
            where nothing is downloaded.
        class_names: in the order of the labels; empty where they depend on the files.
    """

    name: str
    title: str
    train_images: int | None
    probe_train_images: int | None
    test_images: int | None
    classes: int | None
    size: int | None
    mean: Triple
    std: Triple
    channels: int = 3
    train_split: str = "train"
    probe_split: str = "train"
    test_split: str = "test"
    archive_bytes: int = 0
    archive: str = ""
    folder: str = ""
    class_names: tuple[str, ...] = ()


_IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
_IMAGENET_STD: Triple = (0.229, 0.224, 0.225)

_ALL = (
    DatasetFacts(
        name="patterns",
        title="Patterns",
        train_images=5000,
        probe_train_images=5000,
        test_images=1000,
        classes=10,
        size=32,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        class_names=(
            "stripes",
            "checks",
            "rings",
            "rays",
            "spirals",
            "waves",
            "grids",
            "blobs",
            "noise",
            "dots",
        ),
    ),
    DatasetFacts(
        name="cifar10",
        title="CIFAR-10",
        train_images=50_000,
        probe_train_images=50_000,
        test_images=10_000,
        classes=10,
        size=32,
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
        archive_bytes=170_498_071,
        archive="cifar-10-python.tar.gz",
        folder="cifar-10-batches-py",
        class_names=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
    ),
    DatasetFacts(
        name="cifar100",
        title="CIFAR-100",
        train_images=50_000,
        probe_train_images=50_000,
        test_images=10_000,
        classes=100,
        size=32,
        mean=(0.5071, 0.4867, 0.4408),
        std=(0.2675, 0.2565, 0.2761),
        archive_bytes=169_001_437,
        archive="cifar-100-python.tar.gz",
        folder="cifar-100-python",
    ),
    DatasetFacts(
        name="stl10",
        title="STL-10",
        train_images=105_000,
        probe_train_images=5_000,
        test_images=8_000,
        classes=10,
        size=96,
        mean=(0.43, 0.42, 0.39),
        std=(0.27, 0.26, 0.27),
        train_split="train+unlabeled",
        archive_bytes=2_640_397_119,
        archive="stl10_binary.tar.gz",
        folder="stl10_binary",
        class_names=(
            "airplane",
            "bird",
            "car",
            "cat",
            "deer",
            "dog",
            "horse",
            "monkey",
            "ship",
            "truck",
        ),
    ),
    DatasetFacts(
        name="tiny_imagenet",
        title="Tiny ImageNet",
        train_images=100_000,
        probe_train_images=100_000,
        test_images=10_000,
        classes=200,
        size=64,
        mean=(0.480, 0.448, 0.398),
        std=(0.277, 0.269, 0.282),
        test_split="val",
        archive_bytes=248_100_043,
        archive="tiny-imagenet-200.zip",
        folder="tiny-imagenet-200",
    ),
    DatasetFacts(
        name="imagenet100",
        title="ImageNet-100",
        train_images=None,  # which images of a class a copy holds differs between copies
        probe_train_images=None,
        test_images=None,
        classes=100,
        size=None,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        test_split="val",
    ),
    DatasetFacts(
        name="imagenet",
        title="ImageNet",
        train_images=1_281_167,
        probe_train_images=1_281_167,
        test_images=50_000,
        classes=1000,
        size=None,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
        test_split="val",
    ),
    DatasetFacts(
        name="folder",
        title="Your own images",
        train_images=None,
        probe_train_images=None,
        test_images=None,
        classes=None,
        size=None,
        mean=_IMAGENET_MEAN,
        std=_IMAGENET_STD,
    ),
)

DATASETS: Mapping[str, DatasetFacts] = MappingProxyType({facts.name: facts for facts in _ALL})
