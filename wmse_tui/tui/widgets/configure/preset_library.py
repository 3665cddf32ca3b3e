"""What lies on the bench: every preset, and a draft over each one that a person looked at.

Nothing here draws. Going to another preset loses nothing: each keeps the changes that were made to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wmse_tui.config.draft import Draft, draft_of
from wmse_tui.config.loading import Base, find_file, find_preset, preset_names, shipped_preset_names
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.paper import Paper

FIRST = "quickstart"
Kind = Literal["shipped", "user", "file", "copy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something to begin with.

    Args:
        key: unique on the bench; the name of a preset.
        label: what the list shows.
        kind: who made it.
        draft: without changes but those that a copied run has; None where it is broken.
        problem: why it is broken.
        hides: a shipped preset of that name is not seen because of it.
    """

    key: str
    label: str
    kind: Kind
    draft: Draft | None
    problem: str = ""
    hides: bool = False

    @property
    def experiment(self) -> Experiment | None:
        return self.draft.experiment if self.draft is not None else None

    @property
    def paper(self) -> Paper | None:
        return self.experiment.paper if self.experiment is not None else None

    @property
    def unverified(self) -> bool:
        """Its published number was looked for and not found."""
        return self.paper is not None and self.paper.linear is None and self.paper.knn is None

    def matches(self, words: str) -> bool:
        """Whether each of the words is somewhere in its name or in what it is."""
        text = self.label
        if self.experiment is not None:
            e = self.experiment
            text += f" {e.title} {e.dataset.name} {e.method.name} {e.backbone.arch} {self.kind}"
        return all(word in text.lower() for word in words.lower().split())


def names() -> tuple[str, ...]:
    """The names of all presets, the one to begin with first; their files are not opened."""
    return tuple(sorted(preset_names(), key=lambda name: (name != FIRST, name)))


def read_entry(name: str) -> Entry:
    """The preset of that name, broken or not."""
    try:
        base = find_preset(name)
    except ConfigError as error:
        more = len(error.problems) - 1
        text = error.problems[0].text() + (f" (and {more} more)" if more else "")
        return Entry(key=name, label=name, kind="shipped", draft=None, problem=text)
    hides = base.origin == "user" and name in shipped_preset_names()
    return Entry(key=name, label=name, kind=base.origin, draft=Draft(base), hides=hides)


def file_entry(file: Path) -> Entry:
    """A configuration file, or the folder of a run.

    Raises:
        ConfigError: it cannot be used.
    """
    base = find_file(file)
    return Entry(key=f"file:{base.file.absolute()}", label=base.name, kind="file", draft=Draft(base))


def copy_entry(experiment: Experiment, preset: str) -> Entry:
    """The experiment of a run, over the preset it was made from or the one that is most like it."""
    base = _known(preset)
    draft = draft_of(experiment, base) if base is not None else _nearest(experiment)
    return Entry(key=f"copy:{draft.base.name}", label=f"{draft.base.name} (copy)", kind="copy", draft=draft)


def _known(preset: str) -> Base | None:
    try:
        return find_preset(preset) if preset else None
    except ConfigError:
        return None


def _nearest(experiment: Experiment) -> Draft:
    entries = (read_entry(name) for name in names())
    drafts = [draft_of(experiment, entry.draft.base) for entry in entries if entry.draft is not None]
    return min(drafts, key=lambda draft: len(draft.active))


class PresetLibrary:
    """The entries that were read, the drafts over them, and the one that is worked on.

    Attributes:
        key: of the entry that is worked on.
        entries: by key, those that were read, in no order.
        extra: keys of files and copies, newest first: they come before the presets.
        names: of the presets.
        problem: why there are none.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.problem = "there are no presets"
        try:
            self.names = names()
        except ConfigError as error:  # the installation is damaged
            self.problem = error.problems[0].text()
        self.key = self.names[0] if self.names else ""
        self.entries: dict[str, Entry] = {}
        self.extra: tuple[str, ...] = ()
        self._drafts: dict[str, Draft] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys in the order of the list."""
        return (*self.extra, *self.names)

    @property
    def draft(self) -> Draft | None:
        """What is worked on; None where that preset is broken."""
        return self._drafts.get(self.key)

    @property
    def entry(self) -> Entry | None:
        """Where it came from."""
        return self.entries.get(self.key)

    def look_at(self, key: str) -> Entry:
        """Read an entry if nobody did yet."""
        if key not in self.entries:
            self.take_in(read_entry(key))
        return self.entries[key]

    def take_in(self, entry: Entry) -> None:
        """Put an entry on the bench; one that was read anew keeps the changes that were made to it."""
        before = self._drafts.get(entry.key)
        self.entries[entry.key] = entry
        if entry.draft is None:
            self._drafts.pop(entry.key, None)
        elif before is None or entry.kind == "copy":
            self._drafts[entry.key] = entry.draft
        else:
            self._drafts[entry.key] = Draft(entry.draft.base, before.changes)
        if entry.kind in ("file", "copy"):
            self.extra = (entry.key, *(key for key in self.extra if key != entry.key))

    def read_again(self, name: str) -> None:
        """A preset was written: read it, and forget what was changed in the one of that name."""
        self.names = names()
        self._drafts.pop(name, None)
        self.take_in(read_entry(name))

    def choose(self, key: str) -> Entry:
        """Work on another entry."""
        entry = self.look_at(key)
        self.key = key
        return entry

    def edit(self, path: str, text: str) -> None:
        """Give an option the value of a text; what is there already stays without being marked."""
        draft = self.draft
        if draft is not None and path in draft.fields:
            self._drafts[self.key] = draft.with_value(path, draft.fields[path].value(text))

    def reset(self, path: str) -> bool:
        """Take the change of an option back; whether there was one."""
        draft = self.draft
        if draft is None or not draft.changed(path):
            return False
        self._drafts[self.key] = draft.without(path)
        return True

    def reset_all(self) -> None:
        """Take all changes back."""
        if self.draft is not None:
            self._drafts[self.key] = self.draft.untouched()

    def changes(self) -> Mapping[str, int]:
        """How many changes the entries have, by key; those without any are left out."""
        counts = {key: len(draft.active) for key, draft in self._drafts.items()}
        return {key: count for key, count in counts.items() if count}


def plain_text(draft: Draft, path: str, value: Any) -> str:
    """A value of an option in words; nothing is "(empty)"."""
    return draft.fields[path].text(value) or "(empty)"
