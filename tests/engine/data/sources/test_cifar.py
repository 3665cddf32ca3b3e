"""CIFAR from the archive as published: pickles in a .tar.gz, checked before anything is unpickled."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.schema import Experiment
from wmse_tui.engine.data.dataset_sources import load_data
from wmse_tui.engine.data.sources import cifar
from wmse_tui.engine.errors import DataError

Progress = Callable[[str, float, float, str], None]
Publish = Callable[[str], Any]

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 3072), dtype=np.uint8)
LAYOUT = {
    "cifar10": {
        "data_batch_1": (0, 10),
        "data_batch_2": (10, 20),
        "data_batch_3": (20, 24),
        "data_batch_4": (24, 28),
        "data_batch_5": (28, 30),
        "test_batch": (30, 40),
    },
    "cifar100": {"train": (0, 30), "test": (30, 40)},
}
NAMES = {"cifar10": ["airplane", "automobile", "bird"], "cifar100": ["apple", "aquarium_fish", "baby"]}


def label(index: int) -> int:
    return index % 3


@pytest.fixture
def publish(
    server: Any, tmp_path: Path, tar: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Publish:
    """Publish a small CIFAR on the local server and let the reader know its address and checksums."""

    def made(name: str) -> Any:
        reader = cifar.READERS[name]
        files = {
            file: pickle.dumps(
                {
                    "data": IMAGES[first:last],
                    "labels" if name == "cifar10" else "fine_labels": [label(i) for i in range(first, last)],
                }
            )
            for file, (first, last) in LAYOUT[name].items()
        }
        meta = reader.meta["filename"]
        files[meta] = pickle.dumps({reader.meta["key"]: NAMES[name]})
        md5 = {file: hashlib.md5(body).hexdigest() for file, body in files.items()}
        members = [(f"{reader.base_folder}/{file}", body) for file, body in files.items()]
        body = tar(tmp_path / "made.tar.gz", *members).read_bytes()
        remote, page = server.publish(reader.filename, body)
        small = type(
            reader.__name__,
            (reader,),
            {
                "url": remote.url,
                "tgz_md5": remote.md5,
                "train_list": [[file, md5[file]] for file, _ in reader.train_list],
                "test_list": [[file, md5[file]] for file, _ in reader.test_list],
                "meta": {**reader.meta, "md5": md5[meta]},
            },
        )
        monkeypatch.setitem(cifar.READERS, name, small)
        facts = {**DATASETS, name: replace(DATASETS[name], archive_bytes=remote.size)}
        monkeypatch.setattr(cifar, "DATASETS", facts)
        return page

    return made


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_images_arrive_as_published(
    publish: Publish, tmp_path: Path, progress: Progress, experiment_on: Callable[..., Experiment], name: str
) -> None:
    publish(name)
    data = load_data(experiment_on(name=name, root=tmp_path / "data"), progress=progress)
    assert data.train_split == "train (30)"
    assert data.probe_split == "train (30) -> test (10)"
    assert data.train is data.probe_train
    assert data.train.pixels is not None
    assert data.train.labels is not None
    assert data.train.pixels.numpy().reshape(30, 3072).tolist() == IMAGES[:30].tolist()
    assert data.train.labels.tolist() == [label(i) for i in range(30)]
    assert data.probe_test is not None
    assert data.probe_test.pixels is not None
    assert data.probe_test.pixels.is_contiguous()
    assert data.probe_test.pixels[9].flatten().tolist() == IMAGES[39].tolist()
    assert data.train.classes == tuple(NAMES[name])
    assert (data.mean, data.std) == (DATASETS[name].mean, DATASETS[name].std)
    assert (
        np.asarray(data.train.image(3)).tolist() == IMAGES[3].reshape(3, 32, 32).transpose(1, 2, 0).tolist()
    )


def test_a_subset_is_balanced_and_named_so(
    publish: Publish, tmp_path: Path, progress: Progress, experiment_on: Callable[..., Experiment]
) -> None:
    publish("cifar10")
    data = load_data(
        experiment_on(name="cifar10", root=tmp_path / "data", train_images=9, test_images=3),
        progress=progress,
    )
    assert data.probe_split == "train subset (9) -> test subset (3)"
    assert data.train.labels is not None
    assert data.train.labels.bincount().tolist() == [3, 3, 3]


def test_a_damaged_file_is_named_and_never_unpickled(
    publish: Publish, tmp_path: Path, progress: Progress, experiment_on: Callable[..., Experiment]
) -> None:
    publish("cifar10")
    root = tmp_path / "data"
    load_data(experiment_on(name="cifar10", root=root), progress=progress)

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("unpickled",))

    batch = root / "cifar-10-batches-py" / "data_batch_3"
    expected = hashlib.md5(batch.read_bytes()).hexdigest()
    batch.write_bytes(pickle.dumps(Trap()))
    found = hashlib.md5(batch.read_bytes()).hexdigest()
    with pytest.raises(DataError) as caught:
        load_data(experiment_on(name="cifar10", root=root), progress=progress)
    assert caught.value.title == f"CIFAR-10 in {root}/cifar-10-batches-py is incomplete"
    assert caught.value.detail == f"damaged: data_batch_3 has md5 {found}, expected {expected}"
    batch.unlink()
    with pytest.raises(DataError, match="missing: data_batch_3"):
        load_data(experiment_on(name="cifar10", root=root), progress=progress)


class Trap:
    """Calls a function when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


def test_a_file_that_is_replaced_after_the_check_is_not_unpickled(
    publish: Publish,
    tmp_path: Path,
    progress: Progress,
    experiment_on: Callable[..., Experiment],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish("cifar10")
    root = tmp_path / "data"
    load_data(experiment_on(name="cifar10", root=root), progress=progress)
    monkeypatch.setattr(cifar, "checksum_defect", lambda *_: None)
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="test_batch is not what was published"):
        load_data(experiment_on(name="cifar10", root=root), progress=progress)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_unpickling_makes_arrays_and_calls_nothing_else(protocol: int, tmp_path: Path) -> None:
    for content, refused in (({"data": IMAGES, "labels": [1]}, False), ({"data": Trap()}, True)):
        path = tmp_path / "batch"
        path.write_bytes(pickle.dumps(content, protocol))
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        if refused:
            with pytest.raises(DataError, match="batch is not what was published"):
                cifar.read_batch(path, md5)
        else:
            assert np.array_equal(cifar.read_batch(path, md5)["data"], IMAGES)


def test_the_published_archives_are_torchvisions() -> None:
    assert (
        cifar.cifar_publication("cifar10").remote.url
        == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    )
    assert cifar.cifar_publication("cifar10").remote.md5 == "c58f30108f718f92721af3b95e74349a"
    assert cifar.cifar_publication("cifar10").remote.size == 170_498_071
    assert cifar.cifar_publication("cifar100").remote.md5 == "eb9058c3a382ffc7106e4002c42a8d85"
    assert cifar.cifar_publication("cifar100").remote.size == 169_001_437
