"""Views against each other: loops over images, known arrangements, noise, embeddings that are all alike."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wmse_tui.engine.diagnostics.noise import noise_uniformity
from wmse_tui.engine.diagnostics.views import IMAGES, alignment, contrastive_accuracy, uniformity


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(x: Tensor) -> list[list[Tensor]]:
    return [[image / image.norm() for image in view] for view in x]


def test_they_are_what_loops_over_images_give() -> None:
    x = noise(3, 7, 4)
    u = unit(x)
    pairs = [(i, j) for i in range(3) for j in range(3) if i < j]
    aligned = [float((u[i][n] - u[j][n]).norm() ** 2) for i, j in pairs for n in range(7)]
    assert float(alignment(x) or 0) == pytest.approx(sum(aligned) / len(aligned))

    per_view = []
    for view in u:
        kernels = [
            math.exp(-2 * float((view[m] - view[n]).norm() ** 2)) for m in range(7) for n in range(m + 1, 7)
        ]
        per_view.append(math.log(sum(kernels) / len(kernels)))
    assert float(uniformity(x) or 0) == pytest.approx(sum(per_view) / 3)

    hits = []
    for i in range(3):
        for j in range(3):
            if i != j:
                for n in range(7):
                    near = max(range(7), key=lambda m, i=i, j=j, n=n: float(u[i][n] @ u[j][m]))  # type: ignore[misc]
                    hits.append(near == n)
    accuracy = contrastive_accuracy(x)
    assert accuracy is not None
    assert float(accuracy) == pytest.approx(sum(hits) / len(hits))


def test_equal_views_are_aligned_and_find_each_other_at_any_scale() -> None:
    x = noise(1, 50, 8)
    views = torch.cat([x, 3 * x])
    assert float(alignment(views) or 0) == pytest.approx(0, abs=1e-12)
    assert contrastive_accuracy(views) == 1


def test_unrelated_views_are_at_distance_2_and_find_each_other_by_chance() -> None:
    views = noise(2, 500, 64)
    assert float(alignment(views) or 0) == pytest.approx(2, rel=0.02)
    assert 0 <= float(contrastive_accuracy(views) or 0) < 5 / 500


@pytest.mark.parametrize("dim", [2, 3, 16, 64])
def test_the_uniformity_of_noise_is_that_of_the_sphere(dim: int) -> None:
    drawn = uniformity(noise(8, 500, dim))
    assert drawn is not None
    assert float(drawn) == pytest.approx(noise_uniformity(dim), abs=0.02)


def test_the_uniformity_of_the_sphere_in_closed_form() -> None:
    """In three dimensions cos is uniform: E exp(4 cos) = sinh(4) / 4. Far up it is -4 + 8 / dim."""
    assert noise_uniformity(3) == pytest.approx(math.log(math.sinh(4) / 4) - 4)
    assert noise_uniformity(4096) == pytest.approx(-4 + 8 / 4096, abs=1e-6)


def test_embeddings_that_are_all_alike_are_aligned_and_find_nothing() -> None:
    x = torch.full((2, 30, 4), 0.5)
    assert float(alignment(x) or 0) == pytest.approx(0, abs=1e-12)
    assert float(uniformity(x) or 0) == pytest.approx(0, abs=1e-12)
    assert contrastive_accuracy(x) == 0


def test_one_view_has_no_pairs_and_one_image_no_neighbours() -> None:
    assert alignment(noise(1, 5, 3)) is None
    assert contrastive_accuracy(noise(1, 5, 3)) is None
    assert uniformity(noise(2, 1, 3)) is None


def test_of_many_images_the_first_are_compared() -> None:
    x = noise(2, IMAGES + 10, 4)
    assert alignment(x) == alignment(x[:, :IMAGES])
