"""What the screens show is saved when the app exits, and shown again when it starts.

One JSON file, replaced in one step. Before it is written it is read again, and only the entries that this
app has changed are replaced: of two apps that are open at once, each saves its own changes. A part that
cannot be read is left out, with a sentence for the user; a file of a newer version is neither used nor
written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wmse_tui.config.atomic import make_private_folder, publish
from wmse_tui.config.regular_files import open_regular

VERSION = 1
MAX_BYTES = 4 << 20
_ROOTS, _DRAFTS, _MARKS = 20, 100, 1000  # entries, at most; the oldest are dropped
_Name = Annotated[str, Field(max_length=4096)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class ConfigurePart(_Part):
    """Which entry of Configure is edited, and whether options without effect are shown."""

    entry: _Name = ""
    every_option: bool = False


class RunsPart(_Part):
    """How the list of runs is filtered, sorted and grouped, and its columns; none: the usual ones."""

    filter: _Name = ""
    column: _Name = "age"
    falling: bool = False
    columns: list[_Name] = Field(default_factory=list)
    group: _Name = ""  # tag, sweep, seed; "": none


class MonitorPart(_Part):
    """How Monitor is laid out: the panel with the focus and its size, the charts and how they are drawn."""

    panel: _Name = "plots"
    maximised: bool = False
    space: _Name = "projector"
    charts: list[_Name] = Field(default_factory=list)  # titles; none: the usual ones
    logarithmic: list[_Name] = Field(default_factory=list)  # titles
    axis: _Name = "epoch"
    smoothing: float = 0.0


class ComparePart(_Part):
    """What Compare draws, and how its results are sorted."""

    quantities: list[_Name] = Field(default_factory=list)  # none: the usual ones
    logarithmic: bool = False
    joined: bool = False
    axis: _Name = "epoch"
    smoothing: float = 0.0
    column: _Name = ""  # the title of a column; "": as the runs were marked
    descending: bool = False


class PaperPart(_Part):
    """The cell under the cursor of Paper, by the titles of its row and column."""

    row: _Name = ""
    column: _Name = ""


class ScreensState(_Part):
    """What is saved; values that make no sense any more are for the screens to ignore.

    Attributes:
        theme: the chosen one; "" until the user chooses one.
        drafts: the changes to the entries of Configure, by option, by the key of the entry.
        marks, compared: paths of runs, by the root of the runs.
    """

    theme: _Name = ""
    configure: ConfigurePart = ConfigurePart()
    drafts: dict[_Name, dict[_Name, Any]] = Field(default_factory=dict)
    runs: RunsPart = RunsPart()
    monitor: MonitorPart = MonitorPart()
    compare: ComparePart = ComparePart()
    paper: PaperPart = PaperPart()
    marks: dict[_Name, list[_Name]] = Field(default_factory=dict)
    compared: dict[_Name, list[_Name]] = Field(default_factory=dict)


class SavedState:
    """The state of the screens in memory, and in its file.

    Args:
        file: where it is saved; None: nowhere.

    Attributes:
        problems: a sentence for each part of the file that could not be used.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.problems: tuple[str, ...] = ()
        self._current = ScreensState()
        self._writable = file is not None
        if file is not None:
            values, problem = _read(file)
            self._writable = not problem.endswith(_NEWER)
            self._current, faults = _validated(values)
            sentences = (problem, *(f"{name} is not what was expected" for name in faults))
            ignored = "what the screens showed is not restored"
            self.problems = tuple(f"{ignored}: {file}: {text}" for text in sentences if text)
        self._saved = _plain(self._current)

    @property
    def current(self) -> ScreensState:
        """The state as the screens have it now."""
        return self._current

    def change(self, **parts: object) -> None:
        """Replace parts of the state, by their names."""
        self._current = self._current.model_copy(update=parts)

    def of_root(self, part: str, root: Path) -> list[str]:
        """The entry of a part that has one for each root of runs."""
        entries: dict[str, list[str]] = getattr(self._current, part)
        return entries.get(str(root), [])

    def change_of_root(self, part: str, root: Path, paths: list[str]) -> None:
        """Replace the entry of a root; an empty one is removed."""
        entries = {key: value for key, value in getattr(self._current, part).items() if key != str(root)}
        if paths:
            entries[str(root)] = paths[:_MARKS]
        self.change(**{part: dict(list(entries.items())[-_ROOTS:])})

    def save(self) -> None:
        """Write what has changed since it was read or saved. Raises OSError."""
        now = _plain(self._current)
        if self._file is None or not self._writable or now == self._saved:
            return
        content = _merged(_plain(_validated(_read(self._file)[0])[0]), self._saved, now)
        make_private_folder(self._file.parent)
        publish(self._file, (json.dumps({"v": VERSION, **content}) + "\n").encode())
        self._saved = now


_NEWER = "it is of a newer version, and left as it is"


def _read(file: Path) -> tuple[dict[str, Any], str]:
    """The content of the file, and why it cannot be used, or ""; a missing file is empty."""
    try:
        with open_regular(file) as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            return {}, "it is too large"
        values = json.loads(content)
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, error.strerror or str(error)
    except (ValueError, RecursionError):
        return {}, "it is not JSON"
    version = values.get("v") if isinstance(values, dict) else None
    if not isinstance(version, int) or version < 1:
        return {}, "it has no version"
    return (values, "") if version == VERSION else ({}, _NEWER)


def _validated(values: Mapping[str, Any]) -> tuple[ScreensState, list[str]]:
    """The state of a file, and the names of the parts that are left out."""
    known = {name: value for name, value in values.items() if name in ScreensState.model_fields}
    faults: list[str] = []
    while True:
        try:
            return ScreensState.model_validate(known), faults
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                name = str(fault["loc"][0])
                if known.pop(name, None) is not None:
                    faults.append(name)


def _plain(state: ScreensState) -> dict[str, Any]:
    return state.model_dump(mode="json")


def _merged(there: dict[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """`there` with the differences from `before` to `now`, entry by entry where a part has entries."""
    for name, value in now.items():
        if not isinstance(value, dict):
            if value != before[name]:
                there[name] = value
            continue
        entries = there[name]
        for key in {*value, *before[name]}:
            if key not in value:
                entries.pop(key, None)
            elif key not in before[name] or value[key] != before[name][key]:
                entries.pop(key, None)  # the newest entry is the last
                entries[key] = value[key]
    there["drafts"] = dict(list(there["drafts"].items())[-_DRAFTS:])
    return there
