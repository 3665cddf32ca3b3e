"""The dataset section: which images, from where, at which size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from wmse_tui.config.datasets import DATASETS, Triple
from wmse_tui.config.options import Options, PositiveTriple, ShareTriple, Sizes, unit
from wmse_tui.config.problems import Problem

AnyPath = Annotated[Path, Strict(False)]
DatasetName = Literal[
    "patterns", "cifar10", "cifar100", "stl10", "tiny_imagenet", "imagenet100", "imagenet", "folder"
]

DEFAULT_HELD_OUT = 0.1


class Dataset(Options):
    """The images for training and those for evaluation."""

    name: DatasetName = Field(
        "cifar10",
        title="Data set",
        description="Which images: folder reads your own, patterns needs no download.",
    )
    root: AnyPath | None = Field(
        None,
        title="Folder",
        description="Where the images are or are downloaded to; empty: the data folder of this machine. "
        "Needed for folder, imagenet and imagenet100.",
    )
    download: bool = Field(
        True, title="Download", description="Fetch the data set when it is missing (where that is allowed)."
    )
    crop: int = Field(
        32,
        ge=8,
        le=1024,
        title="Training size",
        description="Side of the square that every augmented view is resized to.",
        json_schema_extra=unit("px"),
    )
    eval_resize: int | None = Field(
        None,
        ge=8,
        le=2048,
        title="Evaluation resize",
        description="Shorter side before the evaluation crop; empty: not resized, or to the size of the "
        "crop where the sizes of images differ.",
        json_schema_extra=unit("px"),
    )
    eval_crop: int | None = Field(
        None,
        ge=8,
        le=2048,
        title="Evaluation crop",
        description="Side of the central square that is evaluated; empty: the training size.",
        json_schema_extra=unit("px"),
    )
    train_images: int | None = Field(
        None,
        ge=2,
        title="Training images",
        description="Train on this many only, the same ones for every seed and in equal parts of each class "
        "where labels exist; empty: all.",
        json_schema_extra=unit("images"),
    )
    test_images: int | None = Field(
        None,
        ge=1,
        title="Test images",
        description="Test on this many only; empty: all.",
        json_schema_extra=unit("images"),
    )
    held_out: float = Field(
        DEFAULT_HELD_OUT,
        gt=0,
        lt=1,
        title="Held-out share",
        description="With dataset.name=folder and no test folder: the share of the labelled images that is "
        "held out for the test.",
    )
    probe_train: AnyPath | None = Field(
        None,
        title="Probe train folder",
        description="Class folders that the probes are trained on, when they are not the training images.",
    )
    probe_test: AnyPath | None = Field(
        None, title="Probe test folder", description="Class folders that the probes are tested on."
    )
    on_damaged: Literal["stop", "skip"] = Field(
        "stop",
        title="Damaged images",
        description="stop: the first image file that cannot be read ends the run, and is named; skip: "
        "another image takes the position of each, evaluations leave it out, and all are counted and named.",
    )
    damaged_limit: float = Field(
        0.05,
        ge=0,
        le=1,
        title="Damaged limit",
        description="The share of a set of images above which a run stops that passes over damaged ones.",
    )
    mean: ShareTriple | None = Field(
        None,
        title="Mean",
        description="Mean of red, green and blue (0 to 1) that is subtracted; empty: the data set's own.",
    )
    std: PositiveTriple | None = Field(
        None,
        title="Standard deviation",
        description="Standard deviation of red, green and blue that is divided by; empty: the data set's "
        "own.",
    )

    def normalisation(self) -> tuple[Triple, Triple]:
        """Mean and standard deviation of red, green and blue in 0 to 1, as set or those of the data set."""
        facts = DATASETS[self.name]
        return self.mean or facts.mean, self.std or facts.std

    def problems(self, _sizes: Sizes) -> Iterator[Problem]:
        yield from self._sizes()
        yield from self._counts()
        yield from self._folders()

    def _sizes(self) -> Iterator[Problem]:
        crop = self.crop if self.eval_crop is None else self.eval_crop
        path = "dataset.crop" if self.eval_crop is None else "dataset.eval_crop"
        if self.eval_resize is not None and crop > self.eval_resize:
            yield Problem(
                path,
                f"a square of {crop} px does not fit into {self.eval_resize} px (dataset.eval_resize)",
                f"use at most {self.eval_resize}",
            )
        size = DATASETS[self.name].size
        if self.eval_resize is None and size is not None and crop > size:
            yield Problem(
                path,
                f"the {size} px test images of {self.name} are smaller than a square of {crop} px",
                f"use at most {size}, or set dataset.eval_resize to {crop} or more",
            )

    def _counts(self) -> Iterator[Problem]:
        facts = DATASETS[self.name]
        if self.name == "patterns":
            return  # generated, in any number
        for field, wanted, there in (
            ("train_images", self.train_images, facts.train_images),
            ("test_images", self.test_images, facts.test_images),
        ):
            if wanted is not None and there is not None and wanted > there:
                yield Problem(
                    f"dataset.{field}", f"{self.name} has {there} of them, not {wanted}", "use fewer"
                )

    def _folders(self) -> Iterator[Problem]:
        if self.name == "folder" and self.root is None:
            yield Problem(
                "dataset.root",
                "the data set `folder` needs the folder of your images",
                "set it to that folder",
            )
        if self.name != "folder" and self.held_out != DEFAULT_HELD_OUT:
            yield Problem(
                "dataset.held_out",
                f"{self.name} has a test set of its own, so nothing is held out",
                "remove it; only the data set `folder` has it",
            )
        for field in ("root", "probe_train", "probe_test"):
            if "\0" in str(getattr(self, field)):
                yield Problem(f"dataset.{field}", "a path cannot contain the character NUL", "name a folder")
        if self.probe_train is None and self.probe_test is not None:
            yield Problem(
                "dataset.probe_test",
                "a probe that is tested must be trained too",
                "set dataset.probe_train as well",
            )
        if self.probe_train is not None and self.probe_test is None:
            yield Problem(
                "dataset.probe_train",
                "a probe that is trained must be tested too",
                "set dataset.probe_test as well",
            )
