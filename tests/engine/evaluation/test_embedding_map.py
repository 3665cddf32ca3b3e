"""Which images are mapped, where they land, and the file: whole or not at all."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from wmse_tui.engine.evaluation.embedding_map import (
    choose_images,
    map_points,
    principal_plane,
    publish_map,
    read_points,
    turned_towards,
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(degrees: float, *, mirrored: bool = False) -> Tensor:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    return turn @ torch.diag(torch.tensor([1.0, -1.0 if mirrored else 1.0], dtype=torch.float64))


def test_the_chosen_images_are_balanced_as_far_as_the_classes_go() -> None:
    labels = torch.tensor([0] * 50 + [1] * 400 + [2] * 7 + [3] * 300)
    chosen = choose_images(labels[torch.randperm(757, generator=torch.Generator().manual_seed(1))], most=200)
    shuffled = labels[torch.randperm(757, generator=torch.Generator().manual_seed(1))]
    assert chosen.unique().numel() == 200
    assert shuffled[chosen].bincount().tolist() in ([50, 72, 7, 71], [50, 71, 7, 72])


def test_the_same_images_are_chosen_each_time_and_random_ones() -> None:
    labels = torch.arange(5000) % 10
    chosen = choose_images(labels)
    assert torch.equal(chosen, choose_images(labels))
    assert len(chosen) == 1000
    assert (chosen > 2500).float().mean().item() == pytest.approx(0.5, abs=0.06)


def test_few_images_are_all_chosen_labelled_or_not() -> None:
    assert sorted(choose_images(torch.full((30,), -1)).tolist()) == list(range(30))
    assert choose_images(torch.empty(0, dtype=torch.int64)).tolist() == []


@pytest.mark.parametrize("shape", [(60, 5), (5, 60)])
def test_the_plane_holds_the_most_variance(shape: tuple[int, int]) -> None:
    x = noise(*shape) * torch.logspace(1, -1, shape[1], dtype=torch.float64)
    points = principal_plane(x + 100)
    values = torch.linalg.svdvals(x - x.mean(0))
    torch.testing.assert_close(points.norm(dim=0), values[:2], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(points.mean(0), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-9)
    assert (points[:, 0] @ points[:, 1]).abs() < 1e-6


def test_the_plane_of_the_same_features_is_the_same_from_either_matrix() -> None:
    x = noise(6, 6)
    wide = torch.cat([x, torch.zeros(6, 1, dtype=torch.float64)], dim=1)  # more dimensions than images
    torch.testing.assert_close(principal_plane(wide), principal_plane(x))


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (8, 1), (3, 2)])
def test_directions_that_are_missing_are_0(shape: tuple[int, int]) -> None:
    points = principal_plane(noise(*shape))
    assert points.shape == (shape[0], 2)
    assert points.isfinite().all()
    if min(shape) == 1:
        assert points[:, 1].abs().max() < 1e-12


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 75, 180])
def test_a_map_that_came_out_turned_or_mirrored_is_turned_back(degrees: float, mirrored: bool) -> None:
    before = principal_plane(noise(40, 3))
    turned = before @ rotation(degrees, mirrored=mirrored)
    torch.testing.assert_close(turned_towards(turned, before + 5), before)
    torch.testing.assert_close(turned_towards(3 * turned, before), 3 * before)


def test_a_direction_that_overtakes_another_does_not_flip_the_map() -> None:
    x = noise(80, 6)
    before, _ = map_points(x * torch.tensor([3.4, 3.0, 1, 1, 1, 1]), "pca")
    later = x * torch.tensor([3.0, 3.4, 1, 1, 1, 1])
    after, _ = map_points(later, "pca", previous=before)
    moved = (after - before).norm(dim=1).mean()
    assert moved < 0.3 * before.norm(dim=1).mean()
    assert (map_points(later, "pca")[0] - before).norm(dim=1).mean() > 2 * moved


def test_a_previous_map_of_other_images_is_of_no_account() -> None:
    x = noise(30, 4)
    points, kind = map_points(x, "pca", previous=torch.zeros(29, 2))
    assert torch.equal(points, map_points(x, "pca")[0])
    assert (points.dtype, kind) == (torch.float32, "pca")


def test_a_previous_map_that_is_not_finite_is_of_no_account() -> None:
    features = noise(30, 4)
    previous = torch.full((30, 2), torch.nan)
    points, _ = map_points(features, "pca", previous=previous)
    assert torch.equal(points, map_points(features, "pca")[0])


def test_too_few_images_for_neighbourhoods_are_put_on_the_plane() -> None:
    points, kind = map_points(noise(9, 4), "tsne")
    assert kind == "pca"
    assert torch.equal(points, map_points(noise(9, 4), "pca")[0])
    assert map_points(noise(10, 4), "tsne")[1] == "tsne"


def test_the_file_holds_the_map_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "embedding.npz"
    points, labels = noise(3, 2).float(), torch.tensor([1, 0, -1])
    publish_map(path, points, labels, ("cat", "døg [/red]"), step=12, epoch=3, kind="pca")
    publish_map(path, points, labels, (), step=24, epoch=6, kind="tsne")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["embedding.npz"]
    with np.load(path, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["points"], points.numpy())
        assert arrays["points"].dtype == np.float32
        assert arrays["labels"].tolist() == [1, 0, -1]
        assert arrays["labels"].dtype == np.int64
        assert arrays["classes"].shape == (0,)
        assert arrays["classes"].dtype.kind == "U"
        assert (int(arrays["step"]), int(arrays["epoch"]), str(arrays["method"])) == (24, 6, "tsne")
    read = read_points(path)
    assert read is not None
    assert torch.equal(read, points)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"not a map"])
def test_a_damaged_file_is_no_map(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "embedding.npz"
    assert read_points(path) is None
    path.write_bytes(content)
    assert read_points(path) is None
    np.savez(path, other=np.zeros(3))
    assert read_points(path) is None
