"""Sets for transfer from small archives in their published formats, served on this machine."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from trained_runs import trained_run

from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.config.transfer_sets import TRANSFER_SETS
from wmse_tui.engine.data.sources import labelled_archives
from wmse_tui.engine.data.sources.labelled_archives import REMOTES
from wmse_tui.engine.data.transfer_images import TransferImages, load_transfer_images
from wmse_tui.engine.errors import DataError
from wmse_tui.engine.evaluation.checkpoint_evaluation import evaluation_command
from wmse_tui.runs.state.transfer_results import transfer_from_json

Files = Mapping[str, bytes]
SIDE = {"train": 10, "val": 11, "test": 12}
"""Each image is a grey square: its side is of its split, its shade of its class."""


def image(split: str, label: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE[split],) * 2, (20 * label + 20,) * 3).save(file, kind)
    return file.getvalue()


def tarred(files: Files) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def matlab(**arrays: Any) -> bytes:
    from scipy.io import savemat  # slow to import: not in every test process

    buffer = io.BytesIO()
    savemat(buffer, arrays, do_compression=True)
    return buffer.getvalue()


def svhn() -> list[bytes]:
    bodies = []
    for split, count in (("train", 6), ("test", 3)):
        pixels = np.zeros((32, 32, 3, count), np.uint8)
        pixels[1, 2] = SIDE[split]  # row 1, column 2
        labels = np.array([[10 if i % 3 == 0 else i % 3] for i in range(count)], np.uint8)
        bodies.append(matlab(X=pixels, y=labels))
    return bodies


def eurosat() -> list[bytes]:
    names = ("AnnualCrop", "Forest", "River")
    return [
        zipped({f"2750/{n}/{n}_{i}.jpg": image("train", c) for c, n in enumerate(names) for i in range(5)})
    ]


def gtsrb() -> list[bytes]:
    train = {
        f"GTSRB/Training/{label:05d}/00000_{i:05d}.ppm": image("train", label, "PPM")
        for label in range(3)
        for i in range(2)
    }
    train["GTSRB/Training/00000/GT-00000.csv"] = b"Filename;ClassId\n"
    test = {f"GTSRB/Final_Test/Images/{i:05d}.ppm": image("test", i, "PPM") for i in range(3)}
    rows = "".join(f"{i:05d}.ppm;12;12;1;1;9;9;{i}\r\n" for i in range(3))
    heading = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n"
    return [zipped(train), zipped(test), zipped({"GT-final_test.csv": (heading + rows).encode()})]


def dtd() -> list[bytes]:
    files = {}
    names = ("banded", "dotted", "zigzagged")
    for split in SIDE:
        lines = []
        for label, name in enumerate(names):
            files[f"dtd/images/{name}/{name}_{split}.jpg"] = image(split, label)
            lines.append(f"{name}/{name}_{split}.jpg\n")
        files[f"dtd/labels/{split}1.txt"] = "".join(lines).encode()
    return [tarred(files)]


def flowers102() -> list[bytes]:
    splits = {"train": (4, 1, 7), "val": (2, 9, 3), "test": (5, 8, 6)}
    labels = np.zeros((1, 9), np.uint8)
    files = {}
    for split, ids in splits.items():
        for label, number in enumerate(ids):
            labels[0, number - 1] = label + 1
            files[f"jpg/image_{number:05d}.jpg"] = image(split, label)
    keys = zip(SIDE, ("trnid", "valid", "tstid"), strict=True)
    listed = {key: np.array([splits[split]]) for split, key in keys}
    return [tarred(files), matlab(labels=labels), matlab(**listed)]


def pets() -> list[bytes]:
    names = ("Abyssinian", "american_bulldog", "Bengal")
    files, lists = {}, {}
    for split, listed in (("train", "trainval.txt"), ("test", "test.txt")):
        lines = []
        for label, name in enumerate(names):
            files[f"images/{name}_{SIDE[split]}.jpg"] = image(split, label)
            lines.append(f"{name}_{SIDE[split]} {label + 1} 1 1\n")
        lists[f"annotations/{listed}"] = "".join(lines).encode()
    return [tarred(files), tarred(lists)]


def food101() -> list[bytes]:
    names = ("apple_pie", "nachos", "waffles")
    files = {}
    for split in ("train", "test"):
        for label, name in enumerate(names):
            files[f"food-101/images/{name}/{SIDE[split]}.jpg"] = image(split, label)
        table = {name: [f"{name}/{SIDE[split]}"] for name in reversed(names)}
        files[f"food-101/meta/{split}.json"] = json.dumps(table).encode()
    return [tarred(files)]


def aircraft() -> list[bytes]:
    names = ("707-320", "A330-200", "Spitfire Mk")
    data = "fgvc-aircraft-2013b/data"
    files = {f"{data}/variants.txt": "".join(f"{name}\n" for name in names).encode()}
    for number, split in enumerate(SIDE):
        lines = []
        for label, name in enumerate(names):
            stem = f"{number}{label:06d}"
            files[f"{data}/images/{stem}.jpg"] = image(split, label)
            lines.append(f"{stem} {name}\n")
        files[f"{data}/images_variant_{split}.txt"] = "".join(lines).encode()
    return [tarred(files)]


MADE: dict[str, Callable[[], list[bytes]]] = {
    made.__name__: made for made in (svhn, eurosat, gtsrb, dtd, flowers102, pets, food101, aircraft)
}
WITH_VALIDATION = {"dtd", "flowers102", "aircraft"}


@pytest.fixture
def publish(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, list[bytes]], Callable[..., TransferImages]]:
    """Publishes the files of a set on the local server; what it returns loads the set."""
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path / "data"))

    def made(name: str, bodies: list[bytes]) -> Callable[..., TransferImages]:
        remotes = [
            server.publish(remote.name, body, magic=remote.magic)[0]
            for remote, body in zip(REMOTES[name], bodies, strict=True)
        ]
        monkeypatch.setitem(labelled_archives.REMOTES, name, tuple(remotes))

        def load(**options: Any) -> TransferImages:
            about, dataset = TRANSFER_SETS[name], Dataset(**options)
            return load_transfer_images(about, dataset, progress=lambda *_: None)

        return load

    return made


def shades(images: TransferImages) -> list[tuple[list[int], list[int]]]:
    """Of both splits: the sides of the images, and the classes that their shades are of."""
    found = []
    for part in (images.train, images.test):
        pictures = [part.image(index) for index in range(len(part))]
        middle = [np.asarray(picture)[4, 4, 0] for picture in pictures]
        found.append(([picture.width for picture in pictures], [round((int(v) - 20) / 20) for v in middle]))
    return found


@pytest.mark.parametrize("name", sorted(MADE.keys() - {"svhn"}))
def test_images_labels_and_splits_are_those_that_were_published(name: str, publish: Any) -> None:
    load = publish(name, MADE[name]())
    images = load()
    (train_sides, train_shades), (test_sides, test_shades) = shades(images)
    assert images.train.labels is not None
    assert images.test.labels is not None
    assert images.train.labels.tolist() == train_shades
    assert images.test.labels.tolist() == test_shades
    assert set(test_shades) == {0, 1, 2}
    assert len(images.train.classes) == 3
    if name != "eurosat":  # published without a split
        assert set(test_sides) == {SIDE["test"]}
        assert set(train_sides) == {SIDE["train"]} | ({SIDE["val"]} if name in WITH_VALIDATION else set())
    assert (images.validation is not None) == (name in WITH_VALIDATION)
    if images.validation is not None:
        assert [side == SIDE["val"] for side in train_sides] == images.validation.tolist()
    again = load(download=False)
    assert torch.equal(images.train.labels, again.train.labels)


def test_svhn_has_rows_before_columns_and_calls_ten_zero(publish: Any) -> None:
    images = publish("svhn", svhn())()
    for part, side, count in ((images.train, SIDE["train"], 6), (images.test, SIDE["test"], 3)):
        assert part.pixels is not None
        assert part.labels is not None
        assert part.pixels.shape == (count, 3, 32, 32)
        assert part.pixels[0].nonzero().tolist() == [[channel, 1, 2] for channel in range(3)]
        assert int(part.pixels.max()) == side
        assert part.labels.tolist() == [i % 3 for i in range(count)]


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_is_missing_is_named_with_the_address_to_fetch_it_by_hand(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WMSE_TUI_DATA", str(tmp_path))
    about = TRANSFER_SETS[name]
    with pytest.raises(DataError) as caught:
        load_transfer_images(about, Dataset(download=False), progress=lambda *_: None)
    first = REMOTES[name][0]
    assert caught.value.title == f"{about.title} is not in {tmp_path / name}"
    assert first.url in caught.value.next[1]
    assert str(tmp_path / name / first.name) in caught.value.next[1]


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        ("dtd", "dtd/labels/test1.txt", "../../x/y.jpg\n"),
        ("dtd", "dtd/labels/test1.txt", "unknown/y.jpg\n"),
        ("dtd", "dtd/labels/test1.txt", ""),
        ("pets", "annotations/test.txt", "Bengal_1 many 1 1\n"),
        ("pets", "annotations/test.txt", "/etc/passwd 1 1 1\n"),
        ("food101", "food-101/meta/test.json", '{"apple_pie": ["../../../etc/passwd"]}'),
        ("food101", "food-101/meta/test.json", "[1]"),
        ("aircraft", "fgvc-aircraft-2013b/data/images_variant_val.txt", "0000000 Concorde\n"),
        ("gtsrb", "GT-final_test.csv", "Filename;ClassId\n00000.ppm;43\n"),
        ("gtsrb", "GT-final_test.csv", "nothing\n1\n"),
    ],
)
def test_lists_that_make_no_sense_are_refused(
    name: str, path: str, change: str, publish: Any, tmp_path: Path
) -> None:
    load = publish(name, MADE[name]())
    load()
    (listed,) = (tmp_path / "data" / name).glob(f"*/{path}")
    listed.write_text(change)
    with pytest.raises(DataError) as caught:
        load()
    assert str(tmp_path / "data" / name) in caught.value.title + caught.value.detail


def test_a_damaged_download_is_refused(publish: Any, tmp_path: Path) -> None:
    load = publish("flowers102", flowers102())
    load()
    file = tmp_path / "data" / "flowers102" / "setid.mat"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"setid\.mat is not what was published"):
        load()


def test_an_encoder_is_transferred_to_several_published_sets(
    publish: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("svhn", "flowers102", "eurosat"):
        publish(name, MADE[name]())
    run = trained_run(tmp_path / "runs")
    assert evaluation_command([str(run.path), "--transfer", "svhn,flowers102,eurosat"]) == 0
    results = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]["transfer"]
    found = {result.set: result for result in transfer_from_json(results)}
    assert [(one.metric, one.classes, one.train_split, one.test_split) for one in found.values()] == [
        ("top1", 3, "train (6)", "test (3)"),
        ("mean_per_class", 3, "train+val (6)", "test (3)"),
        ("top1", 3, "all without held-out (12)", "held-out (3)"),
    ]
    for one in found.values():
        for score in (one.linear.score, one.knn.score, one.weighted_knn.score, one.few_shot[0].score):
            assert 0 <= score.low <= score.value <= score.high <= 1
        assert one.linear.score.low < one.linear.score.high
    assert len(list(run.features.iterdir())) == 6
