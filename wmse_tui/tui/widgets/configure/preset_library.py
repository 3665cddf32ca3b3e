"""Every preset, and a draft over each one that a person opened.

Nothing here draws. Going to another preset loses nothing: each keeps the changes that were made to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from wmse_tui.config.datasets import DATASETS
from wmse_tui.config.draft import Draft, draft_of
from wmse_tui.config.loading import (
    Base,
    find_file,
    find_preset,
    preset_names,
    shipped_preset_names,
    user_preset_files,
)
from wmse_tui.config.problems import ConfigError
from wmse_tui.config.schema import Experiment
from wmse_tui.config.sections.paper import Paper

FIRST = "quickstart"
_FILE = "file:"  # what the keys of opened files begin with
OPENED, START, YOURS = "Opened", "Start here", "Yours"
"""Headings of the list; the others are data sets."""
_COPY = re.compile(r" \(copy( \d+)?\)$")
Kind = Literal["shipped", "user", "file", "copy", "images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A configuration to start from.

    Args:
        key: unique in the library; for presets their name.
        label: what the list shows.
        kind: who made it.
        draft: without changes but those that a copied run has; None where it is invalid.
        problem: why it is invalid.
        hides: it hides a shipped preset of the same name.
    """

    key: str
    label: str
    kind: Kind
    draft: Draft | None
    problem: str = ""
    hides: bool = False

    @property
    def short_label(self) -> str:
        """The label of a copy with its number alone: its heading is that of opened entries."""
        return _COPY.sub(r"\1", self.label)

    @property
    def experiment(self) -> Experiment | None:
        return self.draft.experiment if self.draft is not None else None

    @property
    def paper(self) -> Paper | None:
        return self.experiment.paper if self.experiment is not None else None

    @property
    def unverified(self) -> bool:
        """Its published accuracy was searched for and not found."""
        return self.paper is not None and self.paper.linear is None and self.paper.knn is None

    def matches(self, query: str) -> bool:
        """Whether each word of the query is in its name, title, data set, method, backbone or kind."""
        words = query.lower().split()
        if not words:
            return True
        text = self.label
        if self.experiment is not None:
            e = self.experiment
            text += f" {e.title} {e.dataset.name} {e.method.name} {e.backbone.arch} {self.kind}"
        return all(word in text.lower() for word in words)


def names() -> tuple[str, ...]:
    """The names of all presets, the one to begin with first; their files are not opened."""
    return tuple(sorted(preset_names(), key=lambda name: (name != FIRST, name)))


def heading_of(name: str, own: frozenset[str]) -> str:
    """The heading of a preset in the list, from its name alone: its file may not have been read."""
    dataset = name.partition("-")[0]
    if name in own:
        return YOURS
    if name == FIRST:
        return START
    return DATASETS[dataset].title if dataset in DATASETS else YOURS


def read_entry(name: str) -> Entry:
    """The preset of that name, valid or not."""
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
    return Entry(key=f"{_FILE}{base.file.absolute()}", label=base.name, kind="file", draft=Draft(base))


def copy_entry(experiment: Experiment, preset: str) -> Entry:
    """The experiment of a run, over the preset it was made from or the one that is most like it."""
    base = _known(preset)
    draft = draft_of(experiment, base) if base is not None else _nearest(experiment)
    return Entry(key=f"copy:{draft.base.name}", label=f"{draft.base.name} (copy)", kind="copy", draft=draft)


def images_entry(draft: Draft, label: str) -> Entry:
    """The draft that was proposed for a folder of images."""
    return Entry(key=f"copy:{draft.base.name}", label=label, kind="images", draft=draft)


def _entry_of(key: str, presets: tuple[str, ...]) -> Entry:
    """The entry of a key, as it is now. Raises ConfigError: there is no such preset or file."""
    kind, _, name = key.partition(":")
    if kind == "file":
        return file_entry(Path(name))
    if kind == "copy":
        preset, _, number = name.partition(":")
        label = f"{preset} (copy {number})" if number else f"{preset} (copy)"
        return Entry(key=key, label=label, kind="copy", draft=Draft(find_preset(preset)))
    if key not in presets:
        find_preset(key)  # raises, with the nearest name
    return read_entry(key)


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
    """The entries that were read, the drafts over them, and which of them is edited.

    Attributes:
        key: of the entry that is edited.
        entries: by key, those that were read, in no particular order.
        extra: keys of files and copies, newest first: they come before the presets.
        names: of the presets.
        own: those of them that are the user's.
        stale: keys of entries whose files were written since they were read.
        problem: why there are none.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.own: frozenset[str] = frozenset()
        self.problem = "there are no presets"
        try:
            self._read_names()
        except ConfigError as error:  # the installation is damaged
            self.problem = error.problems[0].text()
        self.key = self.names[0] if self.names else ""
        self.entries: dict[str, Entry] = {}
        self.extra: tuple[str, ...] = ()
        self._drafts: dict[str, Draft] = {}
        self._invalid: dict[str, Mapping[str, Any]] = {}  # by key, changes to what is invalid now
        self.stale: frozenset[str] = frozenset()
        self._versions = self.versions()
        self._typed_into = ""  # the field of the last change, while it is being typed
        self._before: dict[str, list[Draft]] = {}  # by key, the drafts before each change, the last one last

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys in the order of the list."""
        return tuple(key for keys in self.groups.values() for key in keys)

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """All keys by heading, in the order of the list."""
        groups: dict[str, tuple[str, ...]] = {OPENED: self.extra, START: (), YOURS: ()}
        for name in self.names:
            heading = heading_of(name, self.own)
            groups[heading] = (*groups.get(heading, ()), name)
        return {heading: keys for heading, keys in groups.items() if keys}

    def _read_names(self) -> None:
        self.names, self.own = names(), frozenset(user_preset_files())

    def versions(self) -> Mapping[str, object]:
        """What changes when one of the user's presets, or an opened file, is written. For any thread."""
        opened = [key for key in self.extra if key.startswith(_FILE)]
        files = {**user_preset_files(), **{key: Path(key.removeprefix(_FILE)) for key in opened}}
        return {key: _version(file) for key, file in files.items()}

    def refresh(self) -> bool:
        """List the presets again; whether one was added, removed or written since. The edited one stays."""
        before, (versions, self._versions) = self.names, (self._versions, self.versions())
        try:
            self._read_names()
        except ConfigError:
            return False  # the presets that were read can still be used
        if self.key in before and self.key not in self.names:
            self.names = (*self.names, self.key)
        if versions != self._versions:  # one of the user's may extend another
            concerned = {*versions, *self._versions} & {*self.names, *self.extra}
            self.stale |= concerned & self.entries.keys()
        return self.names != before or bool(self.stale)

    @property
    def unread(self) -> tuple[str, ...]:
        """The keys of what was not read yet, or not as it is now."""
        return tuple(
            key for key in (*self.extra, *self.names) if key in self.stale or key not in self.entries
        )

    def read(self, key: str) -> Entry:
        """The entry of a key as its file is now; a file that is missing leaves the one that there was."""
        try:
            return _entry_of(key, self.names)
        except ConfigError:
            return self.entries[key]

    @property
    def draft(self) -> Draft | None:
        """The edited draft; None where that preset is invalid."""
        return self._drafts.get(self.key)

    @property
    def entry(self) -> Entry | None:
        """Where it came from."""
        return self.entries.get(self.key)

    def open(self, key: str) -> Entry:
        """The entry of that key, read at its first use."""
        if key not in self.entries or key in self.stale:
            self.add(self.read(key))
        return self.entries[key]

    def add_copy(self, entry: Entry) -> None:
        """Add and edit a copy of a run or a proposed draft, apart from copies that were changed since."""
        key, number = entry.key, 1
        while self._before.get(key):
            number += 1
            key = f"{entry.key}:{number}"
        if number > 1:
            label = entry.label if entry.kind == "images" else _entry_of(key, self.names).label
            entry = replace(entry, key=key, label=label)
        self.add(entry)
        self.choose(key)

    def add(self, entry: Entry) -> None:
        """Add an entry; one that was read again keeps its changes."""
        before = self._drafts.pop(entry.key, None)
        changes = self._invalid.pop(entry.key, {}) if before is None else before.changes
        again = entry.key in self.stale
        self.stale -= {entry.key}
        self.entries[entry.key] = entry
        if entry.draft is None:
            self._invalid[entry.key] = changes
        elif entry.kind in ("copy", "images"):
            self._drafts[entry.key] = entry.draft
        else:
            base = entry.draft.base
            self._drafts[entry.key] = Draft(base, changes)
            self._before[entry.key] = [Draft(base, d.changes) for d in self._before.get(entry.key, ())]
        if entry.kind in ("file", "copy", "images") and not again:
            self.extra = (entry.key, *(key for key in self.extra if key != entry.key))

    def reload(self, name: str) -> None:
        """A preset was written: read it, and forget what was changed in the one of that name."""
        self._read_names()
        self._drafts.pop(name, None)
        self._invalid.pop(name, None)
        self.add(read_entry(name))

    def choose(self, key: str) -> Entry:
        """Edit another entry."""
        entry = self.open(key)
        self.key = key
        return entry

    def edit(self, path: str, text: str) -> None:
        """Give an option the value of a text; what is there already stays without being marked."""
        draft = self.draft
        if draft is not None and path in draft.fields:
            self._change(draft, draft.with_value(path, draft.fields[path].value(text)), path)

    def undo(self) -> bool:
        """Take back the last change of the edited entry; whether there was one."""
        before = self._before.get(self.key)
        if not before or self.draft is None:
            return False
        self._drafts[self.key] = before.pop()
        return True

    def _change(self, before: Draft, after: Draft, path: str = "") -> None:
        """Store a changed draft; the characters that are typed into one field are one change."""
        if after == before:
            return
        earlier = self._before.setdefault(self.key, [])
        if not (path and earlier and path == self._typed_into):
            earlier.append(before)
        self._typed_into = path
        self._drafts[self.key] = after

    def end_typing(self) -> None:
        """The next change is one of its own, also of the same field."""
        self._typed_into = ""

    def reset(self, path: str) -> bool:
        """Undo the change of an option; whether there was one."""
        draft = self.draft
        if draft is None or not draft.changed(path):
            return False
        self._change(draft, draft.without(path))
        return True

    def reset_all(self) -> None:
        """Undo all changes."""
        if self.draft is not None:
            self._change(self.draft, self.draft.untouched())

    def current_drafts(self) -> dict[str, Draft]:
        """The draft of every valid entry that was read, by key.

        Of one that was not edited that of the entry itself, which may have built its experiment already.
        """
        read = {key: entry.draft for key, entry in self.entries.items() if entry.draft is not None}
        edited = {key: self._drafts.get(key, draft) for key, draft in read.items()}
        return {key: draft if edited[key] == draft else edited[key] for key, draft in read.items()}

    @property
    def drafts(self) -> dict[str, dict[str, Any]]:
        """The changes to every entry that has some, by option, by key."""
        changes = {key: draft.changes for key, draft in self._drafts.items()} | self._invalid
        return {key: dict(found) for key, found in changes.items() if found}

    def restore(self, drafts: Mapping[str, Mapping[str, Any]], key: str) -> tuple[str, ...]:
        """Make these changes again, and edit the entry `key`, or the first; the keys of missing entries."""
        missing = []
        for each, changes in drafts.items():
            try:
                entry = _entry_of(each, self.names)
            except ConfigError:
                missing.append(each)
                continue
            if entry.kind == "copy" and entry.draft is not None:
                self.add(replace(entry, draft=Draft(entry.draft.base, changes)))
            else:
                self.add(entry)
                if entry.draft is not None:
                    self._drafts[each] = Draft(entry.draft.base, changes)
                else:
                    self._invalid[each] = changes
        if key in self.keys:
            self.choose(key)
        elif self.key:
            self.choose(self.key)
        return tuple(missing)

    def changes(self) -> Mapping[str, int]:
        """How many changes the entries have, by key; those without any are left out."""
        counts = {key: len(draft.active) for key, draft in self._drafts.items()}
        return {key: count for key, count in counts.items() if count}


def _version(file: Path) -> object:
    """Changes when the file is written; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def plain_text(draft: Draft, path: str, value: Any) -> str:
    """A value of an option as text; of an empty one what it means, as "(all)"."""
    return draft.fields[path].text(value) or draft.fields[path].unset
