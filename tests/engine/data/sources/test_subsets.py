"""Subsets and held-out images: balanced, nested, repeatable."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.engine.data.sources.subsets import choose, hold_out
from wmse_tui.engine.errors import DataError

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(torch.tensor)


def test_the_choice_is_a_golden_value() -> None:
    labels = torch.tensor([0] * 10 + [1] * 3 + [2] * 7)
    chosen = choose(20, labels, 6, option="x")
    assert chosen is not None
    assert chosen.tolist() == [2, 7, 10, 11, 16, 19]


@given(LABELS, st.data())
def test_classes_differ_by_one_image_unless_one_runs_out(labels: torch.Tensor, data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, len(labels)))
    chosen = choose(len(labels), labels, limit, option="x")
    if chosen is None:
        assert limit == len(labels)
        return
    assert len(set(chosen.tolist())) == limit
    assert chosen.tolist() == sorted(chosen.tolist())
    available = torch.bincount(labels, minlength=5)
    taken = torch.bincount(labels[chosen], minlength=5)
    unfinished = taken[taken < available]
    if len(unfinished):
        assert int(taken.max()) - int(unfinished.min()) <= 1


@given(LABELS, st.data())
def test_a_smaller_choice_is_part_of_a_larger_one(labels: torch.Tensor, data: st.DataObject) -> None:
    large = data.draw(st.integers(1, len(labels)))
    small = data.draw(st.integers(1, large))
    everything = torch.arange(len(labels))
    first, second = (choose(len(labels), labels, limit, option="x") for limit in (small, large))
    assert set((everything if first is None else first).tolist()) <= set(
        (everything if second is None else second).tolist()
    )


def test_images_without_labels_are_chosen_from_all_over() -> None:
    chosen = choose(100_000, None, 1000, option="x")
    assert chosen is not None
    assert len(chosen.unique()) == 1000
    share = (chosen < 50_000).float().mean()
    assert 0.45 < share < 0.55


def test_all_of_them_need_no_choice() -> None:
    assert choose(5, None, None, option="x") is None
    assert choose(5, None, 5, option="x") is None


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        choose(5, None, 6000, option="dataset.train_images")
    assert caught.value.detail == "dataset.train_images asks for 6,000 images, there are 5"
    assert caught.value.next == ("start a new run with --set dataset.train_images=5, or without that option",)


@given(LABELS, st.floats(0.01, 0.99))
def test_held_out_images_are_a_share_of_each_class(labels: torch.Tensor, share: float) -> None:
    used, held = hold_out(labels, share)
    assert sorted([*used.tolist(), *held.tolist()]) == list(range(len(labels)))
    for label in labels.unique():
        size = int((labels == label).sum())
        out = int((labels[held] == label).sum())
        assert out == min(max(int(torch.tensor(size * share).round()), 1), size - 1)


def test_the_held_out_images_are_the_same_every_time() -> None:
    labels = torch.tensor([0, 1] * 50)
    first, second = hold_out(labels, 0.1), hold_out(labels, 0.1)
    assert torch.equal(first[1], second[1])
    assert torch.bincount(labels[first[1]]).tolist() == [5, 5]
