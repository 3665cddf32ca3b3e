"""The stages of an evaluation: nearest neighbours and linear probes, on features with classes in them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from wmse_tui.engine.benchmark.rounds import Quartiles, Row, Stopwatch, time_rounds
from wmse_tui.engine.evaluation.knn import MAX_BYTES, knn_predict
from wmse_tui.engine.evaluation.linear import accuracy_of, fit_adam, fit_lbfgs

TRAIN, TEST, CLASSES = 50_000, 10_000, 10
PAPER_EPOCHS = 500
TIMED_EPOCHS = 4
CHUNK = 1000  # test rows of the matrix product that nearest neighbours are held against


def features(count: int, dim: int, *, seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Features (count, dim) of ten overlapping classes with correlated dimensions, and their labels."""
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, dim, generator=random) * 2 / dim**0.5
    mixing = torch.eye(dim) + 0.5 * torch.randn(dim, dim, generator=random) / dim**0.5
    random.manual_seed(1 + seed)
    labels = torch.randint(CLASSES, (count,), generator=random)
    noise = torch.randn(count, dim, generator=random) @ mixing
    return (centres[labels] + noise).to(device), labels.to(device)


def nearest_neighbours(dim: int, device: torch.device, *, rounds: int) -> Row:
    """5-NN of 10,000 against 50,000, held against the one matrix product that it cannot do without."""
    (x, y), (queries, _) = (
        features(count, dim, seed=seed, device=device) for seed, count in enumerate((TRAIN, TEST))
    )
    watch = Stopwatch(device)

    def product() -> float:
        def work() -> None:
            for rows in queries.split(CHUNK):
                rows @ x.mT

        return watch(work)

    return time_rounds(
        "k-NN",
        f"{TEST:,} against {TRAIN:,} x {dim}, k = 5",
        lambda: watch(lambda: knn_predict(x, y, queries)),
        product,
        rounds=rounds,
        work=TEST,
        unit="images",
        against="its matrix product alone",
        note=f"working memory at most {MAX_BYTES // 2**20} MiB",
    )


def linear_probes(dim: int, device: torch.device, *, rounds: int) -> list[Row]:
    """The paper's probe by its recipe, against a plain loop of it, and L-BFGS against the recipe."""
    (x, y), (queries, answers) = (
        features(count, dim, seed=seed, device=device) for seed, count in enumerate((TRAIN, TEST))
    )
    watch = Stopwatch(device)
    recipe = time_rounds(
        "probe",
        f"{TIMED_EPOCHS} epochs of the paper's {PAPER_EPOCHS} on {TRAIN:,} x {dim}",
        lambda: watch(lambda: fit_adam(x, y, epochs=TIMED_EPOCHS)),
        lambda: watch(lambda: plain_probe(x, y, epochs=TIMED_EPOCHS)),
        rounds=rounds,
        work=TIMED_EPOCHS * TRAIN,
        unit="images",
        against="a plain loop of the recipe",
    )
    found: dict[str, float] = {}

    def fit(name: str, how: Callable[[], Tensor]) -> float:
        return watch(lambda: found.update({name: float(how())}))

    quick = [
        fit("lbfgs", lambda: torch.tensor(accuracy_of(fit_lbfgs(x, y), queries, answers).top1))
        for _ in range(max(1, rounds // 2))
    ]
    whole = fit(
        "adam",
        lambda: torch.tensor(accuracy_of(fit_adam(x, y, epochs=PAPER_EPOCHS), queries, answers).top1),
    )
    ours = Quartiles.of(quick)
    return [
        recipe,
        Row(
            stage="L-BFGS probe",
            what=f"{TRAIN:,} x {dim}, accuracy {found['lbfgs']:.2%}",
            ours=ours,
            n=len(quick),
            reference=Quartiles.of([whole]),
            ratio=ours.scaled(lambda spent: whole / spent),
            against=f"the paper's {PAPER_EPOCHS} epochs, accuracy {found['adam']:.2%}, once",
        ),
    ]


def plain_probe(x: Tensor, y: Tensor, *, epochs: int) -> None:
    """The recipe with autograd and torch's default optimiser."""
    classifier = torch.nn.Linear(x.shape[1], CLASSES).to(x.device)
    adam = torch.optim.Adam(classifier.parameters(), lr=1e-2, weight_decay=5e-6)
    schedule = torch.optim.lr_scheduler.ExponentialLR(adam, (1e-6 / 1e-2) ** (1 / PAPER_EPOCHS))
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).to(x.device).split(1000):
            loss = cross_entropy(classifier(x[batch]), y[batch])
            adam.zero_grad()
            loss.backward()
            adam.step()
        schedule.step()
