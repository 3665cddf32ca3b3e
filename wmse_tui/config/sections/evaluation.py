"""The evaluation section: when and how the encoder is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from wmse_tui.config.options import Options, Sizes, unit
from wmse_tui.config.problems import Problem

DEFAULT_TEMPERATURE = 0.07
DEFAULT_LIDAR_VIEWS = 10


class EvaluationOptions(Options):
    """k-NN and linear probes on the features of the encoder, without augmentation."""

    every: int = Field(
        20,
        ge=1,
        title="Every",
        description="Epochs between two evaluations; the first is before training, the last at the end.",
        json_schema_extra=unit("epochs"),
    )
    every_after_drop: int = Field(
        5,
        ge=1,
        title="Every after drop",
        description="The same once a step schedule has passed its first milestone.",
        json_schema_extra=unit("epochs"),
    )
    batch_size: int = Field(
        1000,
        ge=1,
        le=65536,
        title="Feature batch",
        description="Images per pass when features are computed; changes memory and speed, not the result.",
        json_schema_extra=unit("images"),
    )
    knn: Literal["euclidean", "cosine", "off"] = Field(
        "euclidean",
        title="k-NN",
        description="euclidean: majority vote, as in the paper; cosine: votes weighted by similarity; "
        "off: none.",
    )
    neighbours: int = Field(
        5,
        ge=1,
        le=10_000,
        title="Neighbours",
        description="Neighbours that vote.",
        json_schema_extra=unit("images"),
    )
    temperature: float = Field(
        DEFAULT_TEMPERATURE,
        gt=0,
        le=100,
        title="k-NN temperature",
        description="For cosine k-NN: a vote weighs exp(similarity / this).",
    )
    linear: Literal["adam", "lbfgs", "off"] = Field(
        "adam",
        title="Linear probe",
        description="adam: as in the paper; lbfgs: full batches, much faster; off: none.",
    )
    linear_epochs: int = Field(
        500,
        ge=1,
        le=100_000,
        title="Linear epochs",
        description="Passes (adam) or iterations (lbfgs) of the linear probe at most.",
        json_schema_extra=unit("epochs"),
    )
    linear_at: Literal["every", "end"] = Field(
        "end",
        title="Linear probe at",
        description="At the end of the run, where published numbers are from, or at every evaluation.",
    )
    raw_pixels: bool = Field(
        False,
        title="Raw pixels",
        description="Once, before training: k-NN on the pixels themselves, as a floor to compare with.",
    )
    map: Literal["pca", "tsne", "off"] = Field(
        "pca",
        title="Embedding map",
        description="At each evaluation, up to 1000 test images in two dimensions. pca: the two directions "
        "of most variance; tsne: neighbours stay together, some seconds of one core; off: none.",
    )

    lidar_images: int = Field(
        0,
        ge=0,
        le=100_000,
        title="LiDAR images",
        description="At each evaluation, LiDAR (Thilak et al. 2023) of the features of so many training "
        "images, each in many views, which needs a separate pass; 0: none.",
        json_schema_extra=unit("images"),
    )
    lidar_views: int = Field(
        DEFAULT_LIDAR_VIEWS,
        ge=2,
        le=1000,
        title="LiDAR views",
        description="Views of each of the LiDAR images.",
        json_schema_extra=unit("views"),
    )

    def problems(self, sizes: Sizes) -> Iterator[Problem]:
        images = sizes.train_images
        if self.lidar_images == 1:
            yield Problem(
                "evaluation.lidar_images", "one image cannot be distinguished from others", "use 2 or more"
            )
        if images is not None and self.lidar_images > images:
            yield Problem(
                "evaluation.lidar_images",
                f"there are {images} training images, not {self.lidar_images}",
                f"use at most {images}",
            )
        if self.lidar_images == 0 and self.lidar_views != DEFAULT_LIDAR_VIEWS:
            yield Problem(
                "evaluation.lidar_views",
                "LiDAR uses no images",
                "set evaluation.lidar_images (to 1000, for example), or remove it",
            )
        if self.knn != "cosine" and self.temperature != DEFAULT_TEMPERATURE:
            yield Problem(
                "evaluation.temperature",
                f"k-NN is {self.knn}, and only cosine k-NN has a temperature",
                "set evaluation.knn=cosine, or remove it",
            )
