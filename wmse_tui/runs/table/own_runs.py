"""Runs of one's own as the published table needs them, from the list of runs and their configurations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.state.config import Configuration, read_configuration
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.paper import OwnRun


class OwnRuns:
    """Remembers configurations, which never change; not to be used by two threads at once."""

    def __init__(self) -> None:
        self._configurations: dict[str, Configuration] = {}

    def of(self, digests: Iterable[RunRow]) -> tuple[OwnRun, ...]:
        """The runs of `digests`, in their order; a run that is seen for the first time costs a small file."""
        return tuple(self._own(digest) for digest in digests)

    def _own(self, digest: RunRow) -> OwnRun:
        found = self._configurations.get(digest.path)
        if found is None:
            found = read_configuration(RunDirectory(Path(digest.path)))
            self._configurations[digest.path] = found
        return OwnRun(
            run_id=digest.run_id,
            path=digest.path,
            state=digest.status,
            experiment=found.experiment,
            linear=digest.final_linear,
            knn=digest.final_knn,
            epoch=digest.epoch,
            host=digest.host,
        )
