"""What binds a run to a machine and changes no number of it can be given anew: folders, device, workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.diff import differing, flatten
from wmse_tui.config.layers import Layer, build
from wmse_tui.config.loading import dump_experiment, override_layers
from wmse_tui.config.locations import expanded
from wmse_tui.config.problems import ConfigError, Problem
from wmse_tui.config.rebindable import REBINDABLE
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.process.lock import RunLock
from wmse_tui.runs.run_folder import RunFolder
from wmse_tui.runs.state.config import load_configuration, read_configuration


def rebound(experiment: Experiment, overrides: Sequence[str], *, source: str) -> Experiment:
    """The experiment of a run with `overrides`, such as `dataset.root=/new/path`.

    Raises:
        ConfigError: an option is wrong, or changes more than where and by what the run is trained.
    """
    values = experiment.model_dump(mode="json")
    after = build([Layer(values, source, {}), *override_layers(overrides)])
    frozen = [name for name in differing(flatten(experiment), flatten(after)) if name not in REBINDABLE]
    if frozen:
        fix = f"start a new run; this one can be given {', '.join(REBINDABLE)}"
        raise ConfigError(
            Problem(name, "is part of the run, whose numbers it changes", fix) for name in frozen
        )
    return after


def missing_folders(run: RunDirectory) -> dict[str, Path]:
    """The folders of images that the run's configuration names and that do not exist, by option.

    A folder that a data set is downloaded to is made when it is needed. An unreadable configuration names
    none: the trainer reports it.
    """
    experiment = read_configuration(run).experiment
    if experiment is None:
        return {}
    dataset = experiment.dataset
    named = {"probe_train": dataset.probe_train, "probe_test": dataset.probe_test}
    if not DATASETS[dataset.name].archive_bytes and dataset.name != "patterns":
        named["root"] = dataset.root
    folders = {f"dataset.{name}": expanded(folder) for name, folder in named.items() if folder is not None}
    return {option: folder for option, folder in folders.items() if not os.path.isdir(folder)}  # noqa: PTH112


def rebind_run(run: RunDirectory, overrides: Sequence[str]) -> None:
    """Write `overrides`, such as `dataset.root=/new/path`, into the configuration of an idle run.

    The comments at the head of the file stay, and its time: a run is as old as its configuration.

    Raises:
        ConfigError: an option is wrong, or changes more than where and by what the run is trained.
        RunBusy: the run is being trained.
        NotARun, ForeignRun: it is not this user's.
        StorageError: the configuration cannot be written.
    """
    require_own(run)
    with RunLock(run):
        before = load_configuration(run)
        after = rebound(before, overrides, source=str(run.config))
        if after == before:
            return
        try:
            with RunFolder(run.path, own=True) as folder:
                name = run.config.name
                status = folder.status(name)
                lines = folder.read(name).decode().splitlines(keepends=True)
                first = next((n for n, line in enumerate(lines) if not line.startswith("#")), 0)
                folder.publish(name, ("".join(lines[:first]) + dump_experiment(after)).encode())
                folder.set_times(name, (status.st_atime_ns, status.st_mtime_ns))
        except OSError as error:
            raise StorageError.of("write the run's configuration", run.config, error) from error
