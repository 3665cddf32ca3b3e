"""What can be done to a run of each status, and the files that result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.index import run_row as digest_of
from wmse_tui.tui.widgets.runs import actions

MakeRow = Callable[..., RunRow]
MakeRun = Callable[..., RunDirectory]


@pytest.mark.parametrize(
    ("state", "stop", "resume", "delete"),
    [
        ("new", "it was never started", "", ""),
        ("starting", "", "it is starting already", "it is starting; stop it first"),
        ("running", "", "it is running already", "it is running; stop it first"),
        ("paused", "", "", "it is paused; stop it first"),
        ("stalled", "", "it is stalled already", "it is stalled; stop it first"),
        ("crashed", "it is not running: it is crashed", "", ""),
        ("stopped", "it is not running: it is stopped", "", ""),
        ("diverged", "it is not running: it is diverged", "", ""),
        ("failed", "it is not running: it is failed", "", ""),
        (
            "completed",
            "it is not running: it is completed",
            "it has completed, there is nothing left to do",
            "",
        ),
        ("unknown", "", "it may be running: on gpu-b", "it may be running: on gpu-b"),
    ],
)
def test_why_an_action_makes_no_sense(row: MakeRow, state: str, stop: str, resume: str, delete: str) -> None:
    run = row(status=state, status_reason="on gpu-b" if state == "unknown" else "")
    assert [actions.refusal(action, run) for action in ("stop", "resume", "delete")] == [stop, resume, delete]


def test_a_run_whose_log_cannot_be_read_can_be_deleted(row: MakeRow) -> None:
    assert actions.refusal("delete", row(status="unknown", problem="cannot read the log")) == ""


def test_a_refusal_names_the_run(row: MakeRow) -> None:
    possible, refused = actions.partition("stop", (row("a", status="running"), row("b\x1b")))
    assert [run.run_id for run in possible] == ["a"]
    assert refused == ("b\\x1b: it is not running: it is completed",)


def test_stopping_leaves_a_request(make_run: MakeRun) -> None:
    run = make_run(state="running")
    actions.stop(digest_of(view_run(run)), after_epoch=False)
    actions.stop(digest_of(view_run(run)), after_epoch=True)
    actions.resume_paused(digest_of(view_run(run)))
    assert [(request.command, request.by) for request in pending(run)] == [
        ("stop", "app"),
        ("stop_after_epoch", "app"),
        ("resume", "app"),
    ]


def test_deleting_removes_every_file_and_refuses_a_locked_run(make_run: MakeRun) -> None:
    ended, held = make_run("ended"), make_run("held", "running")
    outcome = actions.for_each((digest_of(view_run(ended)), digest_of(view_run(held))), actions.delete)
    assert outcome.done == ("ended",)
    assert not ended.path.exists()
    assert outcome.refused[0].startswith("held: run held is being trained already")
    assert held.is_run()


def test_tags_and_notes_are_independent(make_run: MakeRun) -> None:
    run = make_run(tags=("old", "x"), note="before")
    seen = digest_of(view_run(run))
    actions.edit_tags(seen, add=("new",), remove=("old", "never"))
    actions.write_note(seen, "  after\u202e ")
    assert read_annotations(run) == Annotations(("x", "new"), "after\u202e")


def test_a_note_that_cannot_be_written_is_an_error(make_run: MakeRun, row: MakeRow) -> None:
    missing = row("missing", path="/nowhere/missing")
    outcome = actions.for_each((missing,), lambda run: actions.write_note(run, "x"))
    where = "/nowhere/missing/annotations.json: No such file or directory"
    step = "check that path: it may have been moved or removed"
    assert outcome.refused == (f"missing: cannot write the annotations: {where}; {step}",)


@pytest.mark.parametrize(
    ("text", "add", "remove"),
    [("a b", ("a", "b"), ()), ("a, -b", ("a",), ("b",)), ("", (), ()), ("-x", (), ("x",))],
)
def test_tags_are_words(text: str, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    assert actions.parse_tags(text) == (add, remove)


def test_what_is_no_tag_is_reported_while_typing() -> None:
    assert actions.tag_problem("good -also_good") == ""
    assert actions.tag_problem("good b@d").startswith("'b@d' cannot be a tag: a tag has 1 to 32 letters")


def test_many_runs_are_named_by_the_first_few() -> None:
    assert actions.count_and_name(["a"]) == "a"
    assert actions.count_and_name(list("abcdef")) == "6 runs (a, b, c, d and 2 more)"
    assert actions.name_some([]) == ""


def test_paths_are_those_of_the_row(tmp_path: Path, row: MakeRow) -> None:
    assert actions.directory_of(row("a", path=str(tmp_path / "a"))) == RunDirectory(tmp_path / "a")
