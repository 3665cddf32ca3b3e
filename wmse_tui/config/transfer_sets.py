"""The labelled image sets that a trained encoder is transferred to, by the names of `eval --transfer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from wmse_tui.config.locations import expanded
from wmse_tui.config.problems import ConfigError, Problem, did_you_mean

OPTION = "--transfer"
FINE_TUNE = "--fine-tune"
FINE_TUNE_STEPS = 300
"""Of the optimiser, for each share of the labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSet:
    """One set.

    Args:
        name: as on the command line; of a folder its absolute path.
        title: its usual name.
        per_class: the field reports the mean of the accuracies of the classes, not the share of all images.
        folder: it is a folder of the user's.
    """

    name: str
    title: str
    per_class: bool = False
    folder: bool = False


_ALL = (
    TransferSet(name="patterns", title="Patterns of other kinds"),
    TransferSet(name="cifar10", title="CIFAR-10"),
    TransferSet(name="cifar100", title="CIFAR-100"),
    TransferSet(name="stl10", title="STL-10"),
    TransferSet(name="svhn", title="SVHN"),
    TransferSet(name="eurosat", title="EuroSAT"),
    TransferSet(name="gtsrb", title="GTSRB"),
    TransferSet(name="dtd", title="DTD"),
    TransferSet(name="flowers102", title="Flowers-102", per_class=True),
    TransferSet(name="pets", title="Oxford-IIIT Pets", per_class=True),
    TransferSet(name="food101", title="Food-101"),
    TransferSet(name="aircraft", title="FGVC Aircraft", per_class=True),
)

TRANSFER_SETS: Mapping[str, TransferSet] = MappingProxyType({one.name: one for one in _ALL})
"""The sets with a name; the metric is that of Kornblith et al. (2019), table 1, where they have the set."""


def transfer_sets(texts: Sequence[str]) -> tuple[TransferSet, ...]:
    """The sets that the texts of `--transfer` name, in their order and each once.

    A text is a set or a folder, or several with commas between them. A name of a set comes before a folder of
    that name, which `./NAME` names; a folder with a comma in its name is named by an option of its own.

    Raises:
        ConfigError: a text is neither the name of a set nor a folder.
    """
    found: dict[str, TransferSet] = {}
    problems = []
    for text in texts:
        parts = [text] if text not in TRANSFER_SETS and _is_folder(text) else text.split(",")
        for part in (part.strip() for part in parts):
            one = TRANSFER_SETS.get(part) or _folder(part)
            if one is None:
                problems.append(_unknown(part))
            else:
                found.setdefault(one.name, one)
    if problems:
        raise ConfigError(problems)
    return tuple(found.values())


def fine_tune_percents(text: str | None) -> tuple[float, ...]:
    """The percents of the labels that the text of `--fine-tune` names, each once; none where it is None.

    Raises:
        ConfigError: a part of the text is no number in (0, 100].
    """
    found: dict[float, None] = {}
    problems = []
    for part in () if text is None else (part.strip() for part in text.split(",")):
        try:
            percent = float(part.removesuffix("%"))
        except ValueError:
            percent = 0.0
        if not 0 < percent <= 100:
            problems.append(Problem(FINE_TUNE, f"{part!r} is no percentage of the labels", "as in 1,10"))
        else:
            found[percent] = None
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _folder(text: str) -> TransferSet | None:
    if not _is_folder(text):
        return None
    path = expanded(Path(text))
    return TransferSet(name=str(path), title=path.name or str(path), folder=True)


def _is_folder(text: str) -> bool:
    try:
        return bool(text) and expanded(Path(text)).is_dir()
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, a home of no user
        return False


def _unknown(text: str) -> Problem:
    names = ", ".join(TRANSFER_SETS)
    guess = did_you_mean(text, TRANSFER_SETS) or "a folder must exist, with images sorted into class folders"
    found = "an empty name" if not text else f"{text!r} is neither a set nor a folder"
    return Problem(OPTION, f"{found}; the sets are {names}", guess)
