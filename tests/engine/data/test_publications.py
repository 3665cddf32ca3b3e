"""What the configuration knows of a download, and what the engine fetches, are the same."""

from __future__ import annotations

import pytest

from wmse_tui.config.datasets import DATASETS
from wmse_tui.engine.data.sources import cifar, stl10, tiny_imagenet
from wmse_tui.engine.data.sources.acquire import Publication

PUBLICATIONS = {
    "cifar10": cifar.cifar_publication("cifar10"),
    "cifar100": cifar.cifar_publication("cifar100"),
    "stl10": stl10.stl10_publication(),
    "tiny_imagenet": tiny_imagenet.tiny_imagenet_publication(),
}


@pytest.mark.parametrize(("name", "publication"), PUBLICATIONS.items(), ids=PUBLICATIONS)
def test_a_download_has_one_name_everywhere(name: str, publication: Publication) -> None:
    facts = DATASETS[name]
    assert (facts.archive, facts.folder) == (publication.remote.name, publication.folder)
    assert facts.archive_bytes == publication.remote.size


def test_nothing_else_is_downloaded() -> None:
    assert {name for name, facts in DATASETS.items() if facts.archive} == set(PUBLICATIONS)
