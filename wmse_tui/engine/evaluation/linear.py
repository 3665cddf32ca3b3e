"""The linear probe: softmax regression on frozen features, by the paper's recipe or to the optimum by L-BFGS.

"adam" is the probe of the W-MSE paper's published code (Ermolov et al. 2021): 500 epochs of Adam over
shuffled batches of 1000 features, learning rate from 1e-2 exponentially towards 1e-6, weight decay 5e-6,
features used as they are. It is the number to publish. "lbfgs" minimises the L2-regularised loss over all
features at once, many times cheaper and without randomness. Both are the same model, so both get one analytic
gradient; neither scales or normalises the features.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wmse_tui.engine.recording import CudaGraphs, Recorder

from .interruption import Progress, ShouldStop, check, never, no_progress

Solver = Literal["adam", "lbfgs"]

MAX_BYTES = 256 * 2**20
"""Working memory for logits in passes over all features."""


@dataclass(frozen=True, slots=True)
class LinearAccuracy:
    """Shares of the test features classified right, in [0, 1].

    `top5` is None for five classes or fewer, where it would be 1 by construction.
    """

    top1: float
    top5: float | None


@dataclass(frozen=True, slots=True, eq=False)
class LinearClassifier:
    """logits = x @ weight.mT + bias, with weight (classes, dim) and bias (classes,)."""

    weight: Tensor
    bias: Tensor

    def logits(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight.mT)


def linear_accuracy(
    x_train: Tensor,
    y_train: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    *,
    solver: Solver = "adam",
    epochs: int = 500,
    iterations: int = 100,
    seed: int = 0,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> LinearAccuracy:
    """Train a linear classifier on the training features and test it.

    Args:
        x_train: (images, dim) float32 or float64; decides device and precision of the work.
        y_train: (images,) int64 from 0; the classifier knows the classes up to the largest of them.
        x_test, y_test: (tests, dim) and (tests,); a label that the training set lacks counts as wrong.
        epochs: of "adam".
        iterations: at most so many of "lbfgs".
        seed: of "adam": initial weights and order of the batches. The global generators are not touched.

    Raises:
        ValueError: shapes, labels or the solver's name make no sense.
        EvaluationInterrupted: `should_stop` returned true.

    Example:
        >>> import torch
        >>> random = torch.Generator().manual_seed(0)
        >>> centres = 4 * torch.randn(3, 16, generator=random)  # of three classes
        >>> y = torch.arange(90) % 3
        >>> x = centres[y] + torch.randn(90, 16, generator=random)
        >>> linear_accuracy(x[:60], y[:60], x[60:], y[60:], solver="lbfgs")
        LinearAccuracy(top1=1.0, top5=None)
    """
    _check_arguments(x_train, y_train, x_test, y_test)
    if solver == "adam":
        classifier = fit_adam(
            x_train, y_train, epochs=epochs, seed=seed, progress=progress, should_stop=should_stop
        )
    elif solver == "lbfgs":
        classifier = fit_lbfgs(
            x_train, y_train, iterations=iterations, progress=progress, should_stop=should_stop
        )
    else:
        raise ValueError(f"solver must be 'adam' or 'lbfgs', not {solver!r}")
    return accuracy_of(classifier, x_test, y_test)


def fit_adam(
    x: Tensor,
    y: Tensor,
    *,
    epochs: int = 500,
    seed: int = 0,
    batch_size: int = 1000,
    lr: float = 1e-2,
    final_lr: float = 1e-6,
    weight_decay: float = 5e-6,
    recorder: Recorder[None] | None = None,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> LinearClassifier:
    """The paper's probe on features `x` (images, dim) with labels `y` (images,).

    The learning rate of epoch e is lr * (final_lr / lr) ** (e / epochs), e = 0 ... epochs - 1. Each epoch
    takes full batches from a fresh permutation and leaves the remainder out; fewer images than a batch make
    one batch. The first weights are those of `torch.nn.Linear`: uniform within 1 / sqrt(dim).

    A GPU computes a step in less time than its 23 launches take, so the second epoch is recorded there, and
    it and all later ones are replayed. The learning rate is a float32 number on the device then.

    Args:
        recorder: of the device of `x`; None: on a GPU its own, else every epoch runs as written.
    """
    random = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
    classifier = _initial_classifier(x, y, random)
    if recorder is None and x.is_cuda:
        recorder = CudaGraphs(x.device)
    size = min(batch_size, len(x))
    probe = _AdamProbe(x, y, classifier, size=size, lr=lr, weight_decay=weight_decay, recorder=recorder)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False), probe.on_stream():
        for epoch in range(epochs):
            check(should_stop)
            probe.epoch(torch.randperm(len(x), generator=random), lr * (final_lr / lr) ** (epoch / epochs))
            progress("linear", epoch + 1, epochs, "epochs")
    return LinearClassifier(classifier.weight.detach(), classifier.bias.detach())


class _AdamProbe:
    """Epochs of the paper's probe: as written, or the first as written and the others as one recording."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        classifier: LinearClassifier,
        *,
        size: int,
        lr: float,
        weight_decay: float,
        recorder: Recorder[None] | None,
    ) -> None:
        self._x, self._y, self._classifier, self._size = x, y.to(x.device), classifier, size
        self._order = torch.empty(len(x) // size * size, dtype=torch.int64, device=x.device)
        self._recorder = recorder
        rate = None if recorder is None else torch.tensor(lr, dtype=recorder.rate_dtype, device=x.device)
        self._rate = rate
        # fused: one kernel a step for both parameters
        self._adam = torch.optim.Adam(
            [classifier.weight, classifier.bias],
            lr=lr,
            weight_decay=weight_decay,
            fused=True,
            capturable=x.is_cuda,
        )
        if rate is not None:  # not given to Adam, which would read it to check it
            self._adam.param_groups[0]["lr"] = rate
        self._compute: Callable[[], None] = self._steps
        self._done = 0

    def on_stream(self) -> AbstractContextManager[None]:
        """The context of `epoch`."""
        return nullcontext() if self._recorder is None else self._recorder.on_stream()

    def epoch(self, order: Tensor, lr: float) -> None:
        """Full batches in this order, int64 (images,), at this learning rate."""
        self._order.copy_(order[: len(self._order)])
        if self._rate is None:
            self._adam.param_groups[0]["lr"] = lr
        else:
            self._rate.fill_(lr)
        if self._done == 1 and self._recorder is not None:
            with suppress(RuntimeError):  # what cannot be recorded still runs as written
                self._compute = self._recorder.record(self._steps)
        self._compute()
        self._done += 1

    def _steps(self) -> None:
        weight, bias = self._classifier.weight, self._classifier.bias
        for batch in torch.split(self._order, self._size):
            features = self._x.index_select(0, batch)  # on a CPU several times as fast as x[batch]
            residual, _ = _residual(self._classifier.logits(features), self._y[batch])
            residual /= self._size
            weight.grad, bias.grad = residual.mT @ features, residual.sum(0)
            self._adam.step()


def fit_lbfgs(
    x: Tensor,
    y: Tensor,
    *,
    iterations: int = 100,
    l2: float | None = None,
    start: LinearClassifier | None = None,
    scale: Tensor | None = None,
    tolerance: float = 1e-7,
    progress: Progress = no_progress,
    should_stop: ShouldStop = never,
) -> LinearClassifier:
    """Minimise mean cross-entropy + l2 / 2 |weight|² over all features, by L-BFGS with strong-Wolfe steps.

    `l2` is 1 / images unless given, which is what "C = 1" means elsewhere. The bias is not regularised, so
    moving the origin of the features does not move the optimum; the origin is put at their mean, where the
    problem is better conditioned. That happens inside the formulas: features are neither copied nor scaled.

    Neither of these moves the optimum; they make the way to it shorter:

    Args:
        start: where the search begins; else at zero.
        scale: (dim,), about the inverse root of the curvature in each dimension: the search moves in weights
            that are divided by it.

    Stops after `iterations`, or earlier where the largest entry of the gradient (by what is searched) falls
    below `tolerance` or a step can promise no more than the rounding of the features' precision.
    """
    classes = int(y.max()) + 1
    decay = 1 / len(x) if l2 is None else l2
    origin = x.mean(0)
    # logits = (x - origin) weightᵀ + bias
    weight, bias = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    if start is not None:
        weight.copy_(start.weight)
        bias.copy_(start.bias + start.weight @ origin)
    scale = x.new_ones(x.shape[1]) if scale is None else scale
    searched = weight / scale
    lbfgs = torch.optim.LBFGS(
        [searched, bias],
        max_iter=iterations,
        max_eval=iterations * 5 // 4 + 25,  # a line search mostly takes its first step
        tolerance_grad=tolerance,
        tolerance_change=torch.finfo(x.dtype).eps,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        check(should_stop)
        torch.mul(searched, scale, out=weight)
        loss, weight_grad, bias_grad = loss_and_gradient(x, y, weight, bias - weight @ origin)
        searched.grad = weight_grad.addr_(bias_grad, origin, alpha=-1).add_(weight, alpha=decay).mul_(scale)
        bias.grad = bias_grad
        progress("linear", lbfgs.state[searched]["n_iter"], iterations, "iterations")
        return loss + decay / 2 * float(weight.square().sum())

    with torch.autocast(x.device.type, enabled=False):
        lbfgs.step(closure)
    weight = searched * scale
    return LinearClassifier(weight, bias - weight @ origin)


def loss_and_gradient(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor) -> tuple[float, Tensor, Tensor]:
    """Mean cross-entropy of softmax(x weightᵀ + bias) and its gradients: (loss, (classes, dim), (classes,)).

    With the residual r = softmax - onehot(y): d/dweight = rᵀ x / n, d/dbias = sum(r) / n. Two matrix
    products, in blocks of rows, so that the logits of all images never exist together.
    """
    loss = x.new_zeros((), dtype=torch.float64)
    weight_grad, bias_grad = torch.zeros_like(weight), torch.zeros_like(bias)
    rows = _rows(x, len(weight))
    with torch.no_grad():
        for block, labels in zip(torch.split(x, rows), torch.split(y.to(x.device), rows), strict=True):
            residual, losses = _residual(torch.addmm(bias, block, weight.mT), labels)
            loss += losses.sum(dtype=torch.float64)
            weight_grad.addmm_(residual.mT, block)
            bias_grad += residual.sum(0)
    return float(loss) / len(x), weight_grad.div_(len(x)), bias_grad.div_(len(x))


def accuracy_of(classifier: LinearClassifier, x: Tensor, y: Tensor) -> LinearAccuracy:
    """Top-1 and top-5 accuracy of a classifier on features `x` (images, dim) with labels `y` (images,)."""
    classes = len(classifier.weight)
    depth = min(5, classes)
    rows = _rows(x, classes)
    right = torch.zeros(depth, dtype=torch.int64, device=x.device)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        for block, labels in zip(torch.split(x, rows), torch.split(y.to(x.device), rows), strict=True):
            best = classifier.logits(block).topk(depth, dim=1).indices
            right += (best == labels[:, None]).sum(0)
    shares = (right.cumsum(0).double() / len(x)).tolist()
    return LinearAccuracy(top1=shares[0], top5=shares[4] if classes > 5 else None)


def _residual(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """softmax(logits) - onehot(labels), written over the logits, and the cross-entropy of each row."""
    logits -= logits.logsumexp(1, keepdim=True)
    own = logits.gather(1, labels[:, None])
    return logits.exp_().scatter_(1, labels[:, None], torch.expm1(own)), -own[:, 0]


def _initial_classifier(x: Tensor, y: Tensor, random: torch.Generator) -> LinearClassifier:
    classes, dim = int(y.max()) + 1, x.shape[1]
    bound = dim**-0.5
    weight = torch.empty(classes, dim, dtype=x.dtype).uniform_(-bound, bound, generator=random)
    bias = torch.empty(classes, dtype=x.dtype).uniform_(-bound, bound, generator=random)
    return LinearClassifier(weight.to(x.device), bias.to(x.device))


def _rows(x: Tensor, classes: int) -> int:
    return max(1, MAX_BYTES // (3 * classes * x.element_size()))


def _check_arguments(x_train: Tensor, y_train: Tensor, x_test: Tensor, y_test: Tensor) -> None:
    if x_train.ndim != 2 or x_test.ndim != 2 or x_train.shape[1] != x_test.shape[1]:
        raise ValueError(
            "features must be (images, dim) with one dim; "
            f"training has {tuple(x_train.shape)}, test {tuple(x_test.shape)}"
        )
    for name, x, y in (("training", x_train, y_train), ("test", x_test, y_test)):
        if len(x) == 0:
            raise ValueError(f"there are no {name} features")
        if len(x) != len(y):
            raise ValueError(f"{len(x)} {name} features have {len(y)} labels")
    if int(y_train.min()) < 0:
        raise ValueError("training labels must not be negative: -1 marks an image without a label")
