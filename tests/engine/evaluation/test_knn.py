"""k-nearest neighbours against a slow reference, by hand, with ties, and within its memory."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wmse_tui.engine.evaluation.interruption import EvaluationInterrupted
from wmse_tui.engine.evaluation.knn import SPARE, block_sizes, knn_accuracy, knn_predict, vote


def reference(
    x_train: Tensor, y_train: Tensor, x_test: Tensor, k: int, temperature: float | None = None
) -> list[int]:
    """Image by image, in float64; with a temperature, the cosine rule."""
    predicted = []
    for test in x_test.double():
        scored = []
        for index, train in enumerate(x_train.double()):
            if temperature is None:
                score = -float(((train - test) ** 2).sum())
            else:
                score = float(train @ test) / (float(train.norm()) * float(test.norm()))
            scored.append((-score, index))
        votes: defaultdict[int, float] = defaultdict(float)
        for cost, index in sorted(scored)[:k]:
            votes[int(y_train[index])] += 1 if temperature is None else math.exp(-cost / temperature)
        most = max(votes.values())
        predicted.append(min(label for label, count in votes.items() if count == most))
    return predicted


def random_set(
    seed: int, n_train: int, n_test: int, dim: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, dim, generator=random, dtype=dtype)
    y_train = torch.randint(4, (n_train,), generator=random)
    x_train = centres[y_train] + torch.randn(n_train, dim, generator=random, dtype=dtype)
    x_test = torch.randn(n_test, dim, generator=random, dtype=dtype)
    return x_train, y_train, x_test


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("n_train", "n_test", "dim", "k"), [(97, 31, 7, 5), (5, 3, 1, 5), (64, 1, 3, 1), (33, 9, 2, 20)]
)
def test_predictions_are_those_of_the_slow_reference(
    n_train: int, n_test: int, dim: int, k: int, dtype: torch.dtype
) -> None:
    x_train, y_train, x_test = random_set(0, n_train, n_test, dim, dtype)

    assert knn_predict(x_train, y_train, x_test, k=k).tolist() == reference(x_train, y_train, x_test, k)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_equal_distances_and_equal_votes_fall_as_in_the_reference(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(1)
    x_train = torch.randint(10, (120, 5), generator=random).to(dtype)  # whole numbers: many equal distances
    x_train[60:] = x_train[:60]  # and every image twice
    y_train = torch.randint(3, (120,), generator=random)
    x_test = torch.cat([torch.randint(10, (40, 5), generator=random).to(dtype), x_train[:20]])

    expected = reference(x_train, y_train, x_test, 4)

    assert knn_predict(x_train, y_train, x_test, k=4).tolist() == expected
    assert knn_predict(x_train, y_train, x_test, k=4, max_bytes=1).tolist() == expected


def test_five_neighbours_vote_by_majority_and_of_a_tie_the_smallest_label_wins() -> None:
    x_train = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [100.0]])
    y_train = torch.tensor([7, 7, 3, 3, 9, 9])

    assert knn_predict(x_train, y_train, torch.tensor([[0.0]]), k=5).tolist() == [3]  # two 7s, two 3s, one 9
    assert knn_predict(x_train, y_train, torch.tensor([[0.0]]), k=2).tolist() == [7]


def test_the_euclidean_rule_does_not_normalise() -> None:
    x_train, y_train = torch.tensor([[10.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    x_test = torch.tensor([[1.0, 0.0]])  # same direction as the first, nearer to the second

    assert knn_predict(x_train, y_train, x_test, k=1).tolist() == [1]
    assert knn_predict(x_train, y_train, x_test, k=1, metric="cosine").tolist() == [0]


def test_the_euclidean_rule_counts_neighbours_and_the_cosine_rule_weighs_them() -> None:
    angles = torch.tensor([0.0, 0.8, 0.9])
    x_train, y_train = torch.stack([angles.cos(), angles.sin()], 1), torch.tensor([0, 1, 1])
    x_test = torch.tensor([[1.0, 0.0]])

    assert knn_predict(x_train, y_train, x_test, k=3).tolist() == [1]
    assert knn_predict(x_train, y_train, x_test, k=3, metric="cosine", temperature=0.07).tolist() == [0]
    assert knn_predict(x_train, y_train, x_test, k=3, metric="cosine", temperature=10.0).tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_weighted_cosine_votes_are_those_of_the_slow_reference(
    temperature: float, dtype: torch.dtype
) -> None:
    x_train, y_train, x_test = random_set(2, 83, 29, 6, dtype)

    predicted = knn_predict(x_train, y_train, x_test, k=20, metric="cosine", temperature=temperature)

    assert predicted.tolist() == reference(x_train, y_train, x_test, 20, temperature)


def test_a_tiny_temperature_follows_the_nearest_neighbour_without_overflow() -> None:
    x_train, y_train, x_test = random_set(3, 50, 20, 4, torch.float32)

    predicted = knn_predict(x_train, y_train, x_test, k=9, metric="cosine", temperature=1e-5)

    assert predicted.tolist() == reference(x_train, y_train, x_test, 1, 1.0)


def test_features_far_from_the_origin_keep_their_neighbours_in_float32() -> None:
    x_train, y_train, x_test = random_set(4, 60, 20, 3, torch.float32)
    x_train += 4096  # the squares, 1.6e7, leave float32 no digit for distances of 1
    x_test += 4096

    assert knn_predict(x_train, y_train, x_test, k=5).tolist() == reference(x_train, y_train, x_test, 5)


def test_bytes_are_classified_like_the_numbers_they_stand_for() -> None:
    random = torch.Generator().manual_seed(5)
    x_train = torch.randint(256, (40, 12), generator=random, dtype=torch.uint8)
    x_test = torch.randint(256, (11, 12), generator=random, dtype=torch.uint8)
    y_train = torch.randint(3, (40,), generator=random)

    assert knn_predict(x_train, y_train, x_test).tolist() == reference(
        x_train / 255.0, y_train, x_test / 255.0, 5
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_memory_bound_changes_nothing_but_the_memory(metric: Any) -> None:
    x_train, y_train, x_test = random_set(6, 2000, 300, 16, torch.float32)
    bound = 2**18
    largest = Largest()

    with largest:
        little = knn_predict(x_train, y_train, x_test, metric=metric, max_bytes=bound)

    assert largest.bytes <= bound
    assert torch.equal(little, knn_predict(x_train, y_train, x_test, metric=metric))


@given(
    n_train=st.integers(1, 10**7),
    n_test=st.integers(1, 10**6),
    dim=st.sampled_from([1, 64, 512, 2048, 150_528]),
    k=st.sampled_from([1, 5, 200]),
    max_bytes=st.sampled_from([2**28, 2**30]),
)
@settings(max_examples=200)
def test_blocks_fit_the_memory_bound(n_train: int, n_test: int, dim: int, k: int, max_bytes: int) -> None:
    proposed = min(k + SPARE, n_train)
    train, test = torch.empty(n_train, dim, device="meta"), torch.empty(n_test, dim, device="meta")

    rows, columns, ranked = block_sizes(train, test, proposed, max_bytes)

    similarities = rows * columns * 4 + (rows + columns) * dim * 4
    assert 1 <= rows <= n_test
    assert proposed <= columns <= n_train
    assert 1 <= ranked <= n_test
    if rows > 1 and columns > proposed:
        assert similarities <= max_bytes
    if ranked > 1:
        assert ranked * proposed * dim * 8 * 3 <= max_bytes


@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), min_size=1, max_size=8))
@settings(max_examples=100)
def test_a_vote_is_the_most_common_label_and_the_smallest_of_several(rows: list[list[int]]) -> None:
    expected = [min(row, key=lambda label: (-row.count(label), label)) for row in rows]

    assert vote(torch.tensor(rows)).tolist() == expected


def test_accuracy_is_the_share_of_right_predictions() -> None:
    x_train, y_train = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1])
    x_test = torch.tensor([[0.1], [0.2], [0.9], [1.1]])

    assert knn_accuracy(x_train, y_train, x_test, torch.tensor([0, 1, 1, 1]), k=1) == 0.75


def test_progress_ends_at_the_number_of_test_images() -> None:
    x_train, y_train, x_test = random_set(7, 30, 25, 3, torch.float32)
    reported: list[tuple[str, float, float, str]] = []

    knn_predict(x_train, y_train, x_test, max_bytes=4000, progress=lambda *part: reported.append(part))

    assert len(reported) > 1
    assert reported[-1] == ("knn", 25, 25, "images")


def test_it_stops_on_request() -> None:
    x_train, y_train, x_test = random_set(8, 30, 25, 3, torch.float32)

    with pytest.raises(EvaluationInterrupted):
        knn_predict(x_train, y_train, x_test, should_stop=lambda: True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 4}, "4 neighbours requested, but there are only 3 training features"),
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"metric": "manhattan"}, "metric must be 'euclidean' or 'cosine', not 'manhattan'"),
        ({"metric": "cosine", "temperature": 0.0}, "temperature must be above 0, not 0.0"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        knn_predict(
            torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), torch.zeros(2, 2), **{"k": 1, **options}
        )

    assert str(caught.value) == text


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, y = torch.zeros(8, 2), torch.zeros(8, dtype=torch.int64)

    with pytest.raises(ValueError, match=r"training has \(8, 2\), test \(4, 3\)"):
        knn_predict(x, y, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="8 training features have 7 labels"):
        knn_predict(x, y[:7], x)
    with pytest.raises(ValueError, match="8 test features have 7 labels"):
        knn_accuracy(x, y, x, y[:7])
    with pytest.raises(ValueError, match="there are no test features"):
        knn_predict(x, y, x[:0])


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor):
                self.bytes = max(self.bytes, each.untyped_storage().nbytes() if each._base is None else 0)
        return result
