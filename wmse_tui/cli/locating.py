"""From the text given for RUN to a run directory."""

from __future__ import annotations

from pathlib import Path

from wmse_tui.config.locations import expanded, runs_dir
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.table.catalogue import resolve_run


def runs_root(given: Path | None) -> Path:
    """Return the folder of runs: `--runs-dir` where it was given, else the default one."""
    return expanded(given) if given is not None else runs_dir()


def find_own_run(text: str, given_root: Path | None) -> RunDirectory:
    """As `find_run`, for a command that changes the run.

    Raises:
        NotARun, ForeignRun: `text` names a link, or the run is another user's.
        StorageError: a folder of the run is a link.
    """
    run = find_run(text, given_root)
    require_own(run)
    return run


def find_run(text: str, given_root: Path | None) -> RunDirectory:
    """Return the run that `text` names: an id, a unique beginning of one, `last` or a path.

    Raises:
        RunNotFound: there is none, or more than one.
    """
    return resolve_run(runs_root(given_root), text)


def find_checkpoint_target(text: str, given_root: Path | None) -> Path:
    """Return the absolute path of the checkpoint file or of the run's directory that `text` names.

    Raises:
        UserError: there is no such checkpoint.
        RunNotFound: there is no such run.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path.absolute()
    if path.suffix == ".pt":
        from wmse_tui.cli.console import UserError

        raise UserError(
            f"there is no checkpoint {text}",
            f"searched for {path.absolute()}",
            ("wmse-tui show RUN lists the checkpoints",),
        )
    return find_run(text, given_root).path
