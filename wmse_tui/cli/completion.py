"""What the shell's completion offers for arguments and options.

bash cuts words at `=` and `:`, so it asks about the last piece of `optimizer.lr=1e-3` and replaces that piece
alone. `as_bash_cuts` puts the pieces together before Typer reads them, and cuts what Typer prints as bash
does.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, MutableMapping

_REQUEST = f"_{'wmse-tui'.upper().replace('-', '_')}_COMPLETE"  # Typer's own: for shells, not for people
_CUTS = ("=", ":")


@contextlib.contextmanager
def as_bash_cuts(environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Within, completions for bash are of whole words; nothing where no completion is requested by bash."""
    if environ.get(_REQUEST) != "complete_bash" or not environ.get("COMP_CWORD", "").isdecimal():
        yield
        return
    words = _joined(environ.get("COMP_WORDS", "").split("\n"), int(environ["COMP_CWORD"]))
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(words), str(len(words) - 1)
    word = words[-1].partition("=")[2] if words[-1].startswith("--") else words[-1]
    begin = 1 + max(word.rfind(cut) for cut in _CUTS)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        sys.stdout.write("".join(f"{line[begin:]}\n" for line in printed.getvalue().splitlines()))


def _joined(words: list[str], current: int) -> list[str]:
    """The words up to the current one, which is "" where nothing of it was typed; pieces of one together."""
    joined: list[str] = []
    after_cut = False
    for word in [*words, ""][: current + 1]:
        if joined and (word in _CUTS or after_cut):
            joined[-1] += word
        else:
            joined.append(word)
        after_cut = word in _CUTS
    return joined


def offered(values: Iterable[str], incomplete: str) -> list[str]:
    """Those of the values that begin with what was typed."""
    return [value for value in values if value.startswith(incomplete)]


def complete_run(incomplete: str) -> list[str]:
    """Ids of the runs in the default folder, after the commas of those that are typed."""
    from wmse_tui.config.locations import runs_dir
    from wmse_tui.runs.table.catalogue import list_runs

    typed, comma, _ = incomplete.rpartition(",")
    names = ("last", *(run.id for run in list_runs(runs_dir())))
    return offered((f"{typed}{comma}{name}" for name in names), incomplete)


def complete_preset(incomplete: str) -> list[str]:
    """Names of the presets."""
    from wmse_tui.config.loading import preset_names

    return offered(preset_names(), incomplete)


def complete_override(incomplete: str) -> list[str]:
    """Options, and after the equals sign their choices or examples, after the commas of those of a sweep."""
    from wmse_tui.config.titles import choices, option_titles

    key, equals, value = incomplete.partition("=")
    if not equals:
        names = [name for name, *_ in option_titles()]
        begun = [name for name in names if name.startswith(incomplete)]
        if len(begun) != 1:
            return offered((f"{name}=" for name in names), incomplete)
        key = begun[0]  # with its values: after a single word the shell would add a space
        return offered((f"{key}={choice}" for choice in ("", *choices(key))), incomplete)
    typed, comma, _ = value.rpartition(",")
    return offered((f"{key}={typed}{comma}{choice}" for choice in choices(key)), incomplete)


def complete_columns(incomplete: str) -> list[str]:
    """Names of columns, after the commas of those that are typed."""
    from wmse_tui.runs.table.run_columns import column_names

    typed, comma, _ = incomplete.rpartition(",")
    return offered((f"{typed}{comma}{name}" for name in column_names()), incomplete)


def complete_sorting(incomplete: str) -> list[str]:
    """Names of columns."""
    from wmse_tui.runs.table.run_columns import column_names

    return offered(column_names(), incomplete)


def complete_state(incomplete: str) -> list[str]:
    """Statuses of runs, and the names of several."""
    from wmse_tui.runs.table.query import STATUS_WORDS

    return offered(STATUS_WORDS, incomplete)


def complete_tag(incomplete: str) -> list[str]:
    """Tags of the runs in the default folder."""
    from wmse_tui.config.locations import runs_dir
    from wmse_tui.runs.annotations import read_annotations
    from wmse_tui.runs.table.catalogue import runs_by_id

    tags = (read_annotations(run).tags for run in runs_by_id(runs_dir()).values())
    return offered(sorted({tag for found in tags for tag in found}), incomplete)
