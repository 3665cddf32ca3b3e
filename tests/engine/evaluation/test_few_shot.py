"""Few images a class: which are drawn, and what a probe of them measures."""

from __future__ import annotations

import torch

from wmse_tui.engine.evaluation.few_shot import draw_images, few_shot


def features() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(2)
    y, y_test = torch.arange(60) % 3, torch.arange(90) % 3
    centres = torch.randn(3, 6, generator=random)
    x, x_test = (centres[labels] + torch.randn(len(labels), 6, generator=random) for labels in (y, y_test))
    return x, y, x_test, y_test


def test_each_class_gives_the_same_number_and_each_draw_others() -> None:
    y = torch.tensor([0] * 9 + [2] * 5)
    random = torch.Generator().manual_seed(0)
    first, second = draw_images(y, 4, random), draw_images(y, 4, random)
    assert torch.bincount(y[first]).tolist() == [4, 0, 4]
    assert len(set(first.tolist())) == 8
    assert first.tolist() != second.tolist()


def test_the_probe_is_scikit_learns_on_features_of_length_one() -> None:
    from sklearn.linear_model import LogisticRegression  # slow to import: not in every test process

    x, y, x_test, y_test = features()
    (found,) = few_shot(x, y, x_test, y_test, per_class=False, shots=(4,), draws=3)
    random = torch.Generator().manual_seed(0)
    unit, unit_test = (torch.nn.functional.normalize(part, dim=1).double().numpy() for part in (x, x_test))
    expected = []
    for _ in range(3):
        rows = draw_images(y, 4, random).numpy()
        model = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(unit[rows], y[rows].numpy())
        expected.append(model.score(unit_test, y_test.numpy()))
    assert abs(found.score.value - sum(expected) / 3) <= 0.002
    assert (found.shots, found.draws) == (4, 3)


def test_numbers_that_a_class_does_not_have_are_left_out() -> None:
    x, y, x_test, y_test = features()
    found = few_shot(x, y, x_test, y_test, per_class=True, shots=(1, 20, 21), draws=2)
    assert [one.shots for one in found] == [1, 20]
    assert found[1].score.low == found[1].score.high  # both draws are all images


def test_nothing_is_drawn_by_the_labels_of_the_test() -> None:
    x, y, x_test, y_test = features()
    before = few_shot(x, y, x_test, y_test, per_class=False, shots=(2,), draws=2)
    planted = few_shot(x, y, x_test, (y_test + 1) % 3, per_class=False, shots=(2,), draws=2)
    again = few_shot(x, y, x_test, y_test, per_class=False, shots=(2,), draws=2)
    assert before == again
    assert planted[0].score.value < before[0].score.value
