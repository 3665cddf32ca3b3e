"""The model card of an exported folder: Markdown with the front matter that the Hugging Face Hub reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from wmse_tui.engine.export.trained_encoder import TrainedEncoder
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count


def model_card(trained: TrainedEncoder, facts: Mapping[str, Any]) -> str:
    """The text of `README.md`; a licence is in it only where the user named one (`facts["license"]`)."""
    front: dict[str, Any] = {
        "library_name": "timm",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["self-supervised-learning", facts["method"].replace("_", "-"), "wmse-tui"],
        "datasets": [facts["dataset"]],
    }
    if facts.get("license"):
        front["license"] = facts["license"]
    if results := list(_results(facts)):
        front["model-index"] = [{"name": facts["run"], "results": results}]
    size = trained.size
    whitened = f", whitened by a last linear layer ({trained.options.whitening})" if trained.whitening else ""
    epochs = count(facts["epoch"], "epoch")
    about = (
        f"An image encoder trained without labels on {facts['dataset']} ({epochs}). It turns "
        f"an RGB image of {size} x {size} px into {trained.dim} features{whitened}."
    )
    training = (
        f"Method {facts['method']}; checkpoint {facts['checkpoint']} after {facts['step']:,} steps "
        f"(SHA-256 of the checkpoint {facts['sha256']}). `wmse_tui.json` has all of it."
    )
    limits = (
        "The features serve classification and retrieval of images like those it was trained on. The encoder "
        "has no classifier, and nothing here says how it behaves on other images."
    )
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {safe(facts['run'])}: {trained.options.arch} by {facts['method']}",
        "",
        about,
        "",
        "## Load it",
        "",
        f"`images` is a float32 tensor (batch, 3, {size}, {size}) in [0, 1].",
        "",
        "```python",
        *facts["recipe"],
        "```",
        "",
        "## Evaluation",
        "",
        *_evaluation(facts),
        "",
        "## Training",
        "",
        training,
        "",
        "## Limits",
        "",
        limits,
        "",
    ]
    return "\n".join(lines)


def _evaluation(facts: Mapping[str, Any]) -> list[str]:
    accuracies = facts["accuracies"]
    if not accuracies:
        return ["It was not evaluated at this checkpoint."]
    rows = ["| measure | accuracy | images |", "|---|---|---|"]
    splits = f"{accuracies['train_split']} -> {accuracies['test_split']}"
    rows += [f"| {name} | {value:.2%} | {splits} |" for name, value in _numbers(accuracies)]
    return rows


def _numbers(accuracies: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    knn, linear = accuracies["knn"], accuracies["linear"]
    if knn is not None:
        yield f"{knn['k']}-NN, {knn['metric']}", knn["top1"]
    if linear is not None:
        yield f"linear probe, {linear['solver']}", linear["top1"]


def _results(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in _numbers(facts["accuracies"]) if facts["accuracies"] else ():
        yield {
            "task": {"type": "image-classification"},
            "dataset": {"name": facts["dataset"], "type": facts["dataset"]},
            "metrics": [{"type": "accuracy", "name": name, "value": round(value, 4)}],
        }
