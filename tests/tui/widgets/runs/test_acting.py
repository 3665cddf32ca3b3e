"""What can be done to a run in which state, and what doing it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wmse_tui.runs.annotations import Annotations, read_annotations
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.control import pending
from wmse_tui.runs.state.watch import view_run
from wmse_tui.runs.table.index import RunRow
from wmse_tui.runs.table.index import digest as digest_of
from wmse_tui.tui.widgets.runs import acting

Digest = Callable[..., RunRow]
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
def test_why_an_action_makes_no_sense(
    digest: Digest, state: str, stop: str, resume: str, delete: str
) -> None:
    run = digest(status=state, status_reason="on gpu-b" if state == "unknown" else "")
    assert [acting.why_not(action, run) for action in ("stop", "resume", "delete")] == [stop, resume, delete]


def test_a_run_whose_log_cannot_be_read_can_be_deleted(digest: Digest) -> None:
    assert acting.why_not("delete", digest(status="unknown", problem="cannot read the log")) == ""


def test_what_is_refused_is_told_by_name(digest: Digest) -> None:
    possible, refused = acting.sort_out("stop", (digest("a", status="running"), digest("b\x1b")))
    assert [run.run_id for run in possible] == ["a"]
    assert refused == ("b\\x1b: it is not running: it is completed",)


def test_stopping_leaves_a_request(make_run: MakeRun) -> None:
    run = make_run(state="running")
    acting.ask_stop(digest_of(view_run(run)), after_epoch=False)
    acting.ask_stop(digest_of(view_run(run)), after_epoch=True)
    acting.ask_resume(digest_of(view_run(run)))
    assert [(request.command, request.by) for request in pending(run)] == [
        ("stop", "app"),
        ("stop_after_epoch", "app"),
        ("resume", "app"),
    ]


def test_deleting_takes_every_file_and_refuses_a_run_that_is_held(make_run: MakeRun) -> None:
    ended, held = make_run("ended"), make_run("held", "running")
    outcome = acting.each((digest_of(view_run(ended)), digest_of(view_run(held))), acting.remove)
    assert outcome.done == ("ended",)
    assert not ended.path.exists()
    assert outcome.refused[0].startswith("held: run held is being trained already")
    assert held.is_run()


def test_a_run_weighs_what_its_files_do(make_run: MakeRun) -> None:
    run = make_run()
    before = acting.weigh(digest_of(view_run(run)))
    (run.checkpoints / "final.pt").write_bytes(b"0" * 5000)
    (run.checkpoints / "gone.pt").symlink_to("nowhere")
    assert acting.weigh(digest_of(view_run(run))) == before + 5000 + len("nowhere")


def test_tags_and_notes_are_kept_apart(make_run: MakeRun) -> None:
    run = make_run(tags=("old", "x"), note="before")
    seen = digest_of(view_run(run))
    acting.tag(seen, add=("new",), remove=("old", "never"))
    acting.note(seen, "  after\u202e ")
    assert read_annotations(run) == Annotations(("x", "new"), "after\u202e")


def test_a_note_that_cannot_be_written_is_told(make_run: MakeRun, digest: Digest) -> None:
    gone = digest("gone", path="/nowhere/gone")
    outcome = acting.each((gone,), lambda run: acting.note(run, "x"))
    assert outcome.refused == (
        "gone: cannot write the annotations: /nowhere/gone/annotations.json: No such file or directory",
    )


@pytest.mark.parametrize(
    ("text", "add", "remove"),
    [("a b", ("a", "b"), ()), ("a, -b", ("a",), ("b",)), ("", (), ()), ("-x", (), ("x",))],
)
def test_tags_are_words(text: str, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    assert acting.read_tags(text) == (add, remove)


def test_what_is_no_tag_is_told_while_typing() -> None:
    assert acting.tag_problem("good -also_good") == ""
    assert acting.tag_problem("good b@d").startswith("'b@d' cannot be a tag: a tag has 1 to 32 letters")


def test_many_runs_are_named_by_the_first_few() -> None:
    assert acting.runs_named(["a"]) == "a"
    assert acting.runs_named(list("abcdef")) == "6 runs (a, b, c, d and 2 more)"
    assert acting.named([]) == ""


def test_paths_are_those_of_the_digest(tmp_path: Path, digest: Digest) -> None:
    assert acting.directory(digest("a", path=str(tmp_path / "a"))) == RunDirectory(tmp_path / "a")
