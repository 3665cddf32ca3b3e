"""The schema of an experiment: its sections, in the order in which one sets up a run."""

from __future__ import annotations

from pydantic import Field, model_validator

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.methods import Method, WMse
from wmse_tui.config.options import Options, Sizes
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.sections.augmentation import Augmentation
from wmse_tui.config.sections.backbone import Backbone
from wmse_tui.config.sections.checkpoint import CheckpointOptions
from wmse_tui.config.sections.compute import Compute
from wmse_tui.config.sections.dataset import Dataset
from wmse_tui.config.sections.evaluation import EvaluationOptions
from wmse_tui.config.sections.optimizer import Adam, Optimizer
from wmse_tui.config.sections.paper import Paper
from wmse_tui.config.sections.projector import Projector
from wmse_tui.config.sections.schedule import Schedule, StepSchedule


class Experiment(Options):
    """One run, complete: the same values give the same weights.

    An `Experiment` that exists can be run: options that cannot work together raise a `ConfigError` that names
    all of them. Wrong types and unknown keys raise pydantic's own error here; `layers.build` turns that one
    into a `ConfigError` too, with files and lines.
    """

    title: str = Field(
        "", max_length=200, title="Title", description="Name of this experiment in lists and on screens."
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        title="Seed",
        description="Seed of every random choice except the division of the data set.",
    )
    dataset: Dataset = Field(Dataset(), title="Data", description="Which images, from where, at which size.")
    augmentation: Augmentation = Field(
        Augmentation(), title="Augmentation", description="How views are made from an image."
    )
    backbone: Backbone = Field(Backbone(), title="Backbone", description="The encoder.")
    projector: Projector = Field(
        Projector(), title="Projector", description="The head between encoder and loss."
    )
    method: Method = Field(WMse(), title="Method", description="The loss and its options.")
    optimizer: Optimizer = Field(Adam(), title="Optimizer", description="How a gradient becomes a step.")
    schedule: Schedule = Field(
        StepSchedule(),
        title="Schedule",
        description="How long, in which batches, and the course of the learning rate.",
    )
    evaluation: EvaluationOptions = Field(
        EvaluationOptions(), title="Evaluation", description="When and how the encoder is evaluated."
    )
    compute: Compute = Field(Compute(), title="Compute", description="Device, precision and data loading.")
    checkpoint: CheckpointOptions = Field(
        CheckpointOptions(), title="Checkpoints", description="How often the run is saved."
    )
    paper: Paper | None = Field(
        None, title="Published", description="The published number that this reproduces."
    )

    @model_validator(mode="after")
    def _possible(self) -> Experiment:
        sections = [getattr(self, name) for name in type(self).model_fields]
        options = [section for section in sections if isinstance(section, Options)]
        if found := [problem for section in options for problem in section.problems(self.sizes)]:
            raise ConfigError(found)
        return self

    @property
    def sizes(self) -> Sizes:
        """What the rules of one section read of the others."""
        dataset = self.dataset
        published = DATASETS[dataset.name].train_images
        projector, features = self.projector, self.backbone.features
        hidden = (f"{projector.hidden} (projector.hidden)",) * (projector.layers - 1)
        chain = (f"{features} features of {self.backbone.arch}", *hidden, f"{projector.dim} (projector.dim)")
        return Sizes(
            dataset=dataset.name,
            train_images=published if dataset.train_images is None else dataset.train_images,
            crop=dataset.crop,
            views=self.augmentation.views,
            dim=projector.dim,
            inner=projector.hidden if hidden else features,
            chain=" -> ".join(chain),
            inner_option="projector.hidden" if hidden else "projector.layers",
            batch=self.schedule.batch_size,
            ranks=self.compute.ranks,
            evaluation_batch=self.evaluation.batch_size,
        )
