"""Annotations of a run: tags to find it by, and a note.

They are stored beside the log and not in it, because the log has one writer, the trainer. Where two processes
annotate a run at the same moment, the file of the later one remains, whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import BadTag, StorageError
from wmse_tui.runs.ownership import require_own
from wmse_tui.runs.run_folder import publish_file, read_file
from wmse_tui.runs.text.sanitize import safe

MAX_TAGS = 16
MAX_NOTE = 2000  # characters
SWEEP_TAG = "sweep-"
"""How the tag of a sweep begins, which all runs of the sweep have."""

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,31}")


@dataclass(frozen=True, slots=True)
class Annotations:
    """Tags and a note; both empty where there are none, or where `problem` explains why they are lost."""

    tags: tuple[str, ...] = ()
    note: str = ""
    problem: str = ""


def read_annotations(run: RunDirectory) -> Annotations:
    """The annotations of `run`; never raises, also where the file is missing or damaged."""
    try:
        values = json.loads(read_file(run.annotations).decode())
    except FileNotFoundError:
        return Annotations()
    except OSError as error:
        return Annotations(problem=f"annotations.json cannot be read: {error.strerror or error}")
    except (ValueError, RecursionError):
        return Annotations(problem="annotations.json is damaged")
    if not isinstance(values, dict):
        return Annotations(problem="annotations.json is damaged")
    return Annotations(_tags(values), _note(values))


def write_annotations(run: RunDirectory, annotations: Annotations) -> None:
    """Store `annotations` for `run`, in place of the earlier ones.

    Raises:
        BadTag: one of the tags, or their number.
        NotARun, ForeignRun: the run is not this user's.
        StorageError: the file cannot be written.
    """
    for tag in annotations.tags:
        check_tag(tag)
    if len(annotations.tags) > MAX_TAGS:
        raise BadTag("these are too many tags", f"{len(annotations.tags)}; a run has at most {MAX_TAGS}")
    require_own(run)
    values = {"v": 1, "tags": list(annotations.tags), "note": annotations.note[:MAX_NOTE]}
    try:
        publish_file(run.annotations, json.dumps(values, indent=1).encode())
    except OSError as error:
        raise StorageError.of("write the annotations", run.annotations, error) from error


def check_tag(text: str) -> None:
    """Refuse what cannot be a tag. Raises BadTag with the rule."""
    if not _TAG.fullmatch(text):
        raise BadTag(
            f"{safe(text, 80)!r} cannot be a tag",
            "a tag has 1 to 32 letters, digits and . _ : / - of ASCII, and begins with a letter or a digit",
        )


def retagged(annotations: Annotations, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Annotations:
    """With the tags of `add` behind the others and without those of `remove`; each appears once."""
    removed = set(remove)
    tags = dict.fromkeys((*annotations.tags, *add))
    return replace(annotations, tags=tuple(tag for tag in tags if tag not in removed))


def _tags(values: dict[str, Any]) -> tuple[str, ...]:
    """The valid tags; the file may have been edited by hand."""
    found = values.get("tags")
    texts = [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []
    return tuple(dict.fromkeys(tag for tag in texts if _TAG.fullmatch(tag)))[:MAX_TAGS]


def _note(values: dict[str, Any]) -> str:
    found = values.get("note")
    return found[:MAX_NOTE] if isinstance(found, str) else ""
