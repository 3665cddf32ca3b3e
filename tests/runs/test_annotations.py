"""Tags and notes: stored whole, read whatever the file holds, and no reason to refuse a removal."""

from __future__ import annotations

import stat

import pytest

from wmse_tui.runs.annotations import (
    MAX_NOTE,
    MAX_TAGS,
    Annotations,
    check_tag,
    read_annotations,
    retagged,
    write_annotations,
)
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import BadTag, StorageError
from wmse_tui.runs.process.removal import remove_run


def test_what_was_written_is_read_back(run: RunDirectory) -> None:
    said = Annotations(("paper", "stl/lr-2e-3"), 'seeds differ by 2 %\n[/red] "quoted" \u202e\x1b[31m')
    write_annotations(run, said)
    assert read_annotations(run) == said
    assert stat.S_IMODE(run.annotations.stat().st_mode) == 0o600
    assert [path.name for path in run.path.iterdir() if path.name.endswith(".tmp")] == []


def test_a_run_without_annotations_has_none(run: RunDirectory) -> None:
    assert read_annotations(run) == Annotations()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b'"tags"', b"[" * 60_000, b"1e999"],
    ids=["empty", "torn", "no text", "list", "word", "deep", "infinite"],
)
def test_a_damaged_file_is_no_annotations_and_says_so(run: RunDirectory, content: bytes) -> None:
    run.annotations.write_bytes(content)
    assert read_annotations(run) == Annotations(problem="annotations.json is damaged")


def test_a_file_that_is_too_long_is_not_read(run: RunDirectory) -> None:
    run.annotations.write_bytes(b'{"tags": ["' + b"a" * 70_000)
    reason = "annotations.json cannot be read: it has more than 65536 bytes, which no run writes there"
    assert read_annotations(run) == Annotations(problem=reason)


def test_a_file_that_cannot_be_opened_says_why(run: RunDirectory) -> None:
    run.annotations.mkdir()
    assert read_annotations(run).problem == "annotations.json cannot be read: a folder, not a regular file"


def test_what_is_no_tag_in_a_file_is_left_out(run: RunDirectory) -> None:
    run.annotations.write_text('{"tags": ["good", 1, null, "\\u001b[31m", "two words", "good"], "note": 7}')
    assert read_annotations(run) == Annotations(("good",))
    run.annotations.write_text('{"tags": {"a": 1}, "note": "%s"}' % ("n" * (MAX_NOTE + 5)))
    assert read_annotations(run) == Annotations((), "n" * MAX_NOTE)


@pytest.mark.parametrize("tag", ["a", "7", "lr-2e-3", "host:gpu-a", "a/b_c.d", "x" * 32])
def test_a_tag_is_a_short_word(tag: str) -> None:
    check_tag(tag)


@pytest.mark.parametrize("tag", ["", "-a", "+a", "two words", "a,b", "x" * 33, "ü", "a\n", "[bold]", "\x1b"])
def test_what_is_no_tag_is_refused_with_the_rule(run: RunDirectory, tag: str) -> None:
    with pytest.raises(BadTag, match="cannot be a tag: a tag has 1 to 32 letters, digits and"):
        check_tag(tag)
    with pytest.raises(BadTag):
        write_annotations(run, Annotations((tag,)))
    assert not run.annotations.exists()


def test_too_many_tags_are_refused(run: RunDirectory) -> None:
    write_annotations(run, Annotations(tuple(f"t{n}" for n in range(MAX_TAGS))))
    with pytest.raises(BadTag, match=f"these are too many tags: {MAX_TAGS + 1}; a run has at most"):
        write_annotations(run, Annotations(tuple(f"t{n}" for n in range(MAX_TAGS + 1))))


def test_tags_are_added_once_and_removed() -> None:
    said = Annotations(("a", "b"), "note")
    assert retagged(said, add=("c", "a", "c"), remove=("b", "nowhere")) == Annotations(("a", "c"), "note")


def test_a_run_that_cannot_be_written_says_where(run: RunDirectory) -> None:
    run.annotations.mkdir()
    with pytest.raises(StorageError, match=r"cannot write the annotations: .*annotations\.json"):
        write_annotations(run, Annotations(("a",)))


def test_an_annotated_run_can_be_removed(run: RunDirectory) -> None:
    write_annotations(run, Annotations(("a",)))
    remove_run(run)
    assert not run.path.exists()
