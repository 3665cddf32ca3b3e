"""The header of Monitor for a run of each status, at any width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from textual.content import Content

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Diagnostics, Phase
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import STATUSES, Status
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.widgets.monitor.control_requests import RequestStatus
from wmse_tui.tui.widgets.monitor.header import HeaderNotes, header_rows
from wmse_tui.tui.widgets.monitor.text_row import join_fitting, progress_bar

MakeRun = Callable[..., RunDirectory]
NOTHING = HeaderNotes()


def rows(state: RunState, notes: HeaderNotes = NOTHING, width: int = 98) -> list[str]:
    return [row.plain for row in header_rows(state, notes, width, KeyNames({}))]


def test_a_running_run_shows_its_progress(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "running", overrides=["title=A title"]))
    identity, progress, numbers, accuracies, problems, requests = rows(state)
    assert identity == "small   ● running   attempt 1   CPU, 2 threads   A title"
    assert "█░" in progress
    assert "░ 2/4" in progress
    assert "step ░" in progress
    assert "░ 0/5" in progress
    assert progress.endswith("s left")
    assert numbers == "now training   loss 1.2   lr 0.00165   1802 images/s"
    assert accuracies == (
        "epoch 2 5-NN 81.25 %, linear 87.50 %   best 81.25 % at 2, 87.50 % at 2   untrained 31.00 %"
    )
    assert (problems, requests) == ("", "")
    # Narrower, the untrained encoder has its place beside the loss.
    _, _, numbers, accuracies, *_ = rows(state, width=78)
    assert numbers == "now training   loss 1.2   untrained 31.00 %   lr 0.00165   1802 images/s"
    assert accuracies == "epoch 2 5-NN 81.25 %, linear 87.50 %   best 81.25 % at 2, 87.50 % at 2"


def test_a_completed_run_shows_how_long_it_took(make_run: MakeRun) -> None:
    _, progress, numbers, *_ = rows(view_run(make_run("small", "completed")))
    assert "4/4" in progress
    assert "5/5" in progress
    assert progress.endswith("took 28 s")
    assert numbers.startswith("loss 0.4")


LONG = "a-run-with-quite-a-long-name-of-sixty-characters-for-a-change-1"


@pytest.mark.parametrize("status", STATUSES)
def test_no_row_is_wider_than_the_terminal(make_run: MakeRun, status: Status) -> None:
    state = view_run(make_run(LONG, status))
    request = RequestStatus("checkpoint: requested 12:00:00, waiting " * 5, "info")
    for width in (20, 40, 58, 78, 118, 198):
        for notes in (HeaderNotes(requests=(request, request)), HeaderNotes(behind=0.43)):
            assert [row for row in rows(state, notes, width) if cell_len(row) > width] == []


def test_the_reason_of_an_end_is_shown_with_the_next_step(make_run: MakeRun) -> None:
    assert rows(view_run(make_run("a", "crashed")))[4] == (
        "process 77 ended without an exit event   r resumes it"
    )
    assert rows(view_run(make_run("b", "failed")))[4] == "an image cannot be read   r resumes it"


def test_a_run_that_was_never_started(make_run: MakeRun) -> None:
    identity, progress, numbers, accuracies, problems, _ = rows(view_run(make_run("small", "new")))
    assert identity.startswith("small   ○ new")
    assert "0/4" in progress
    assert "0/?" in progress
    assert numbers == "loss -   lr -"
    assert accuracies == "not evaluated yet"
    assert problems == "never started; r starts it"


def test_the_untrained_encoder_is_not_the_best_one(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "completed"))
    assert rows(replace(state, evaluations=state.evaluations[:1]))[3] == "untrained 5-NN 31.00 %"


def test_an_evaluation_between_two_epochs_has_its_step_and_is_compared_with_the_untrained(
    make_run: MakeRun,
) -> None:
    state = view_run(make_run("small", "running"))
    knn = state.evaluations[1].knn
    assert knn is not None
    early = replace(state.evaluations[1], epoch=0, step=3, knn=replace(knn, top1=0.2))
    found = rows(replace(state, evaluations=(state.evaluations[0], early)), width=140)[3]
    assert found.startswith("step 3 5-NN 20.00 %")
    assert "best 20.00 % at step 3" in found
    assert found.endswith("untrained 31.00 % (higher)")


def test_an_ended_run_shows_no_number_of_the_moment(make_run: MakeRun) -> None:
    for status in ("completed", "stopped", "failed", "crashed", "diverged"):
        numbers = rows(view_run(make_run(status, status)))[2]
        assert numbers.startswith("loss ")
        assert "lr" not in numbers
        assert "images/s" not in numbers


def test_a_paused_run_has_no_time_left_and_no_speed(make_run: MakeRun) -> None:
    _, progress, numbers, *_ = rows(view_run(make_run("small", "paused")))
    assert "left" not in progress
    assert "images/s" not in numbers


def test_the_last_evaluation_is_no_step_of_another_epoch(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "running"))
    progress = rows(replace(state, epoch=4, step=20))[1]
    assert "5/5" in progress
    assert progress.endswith("last evaluation")


def test_a_run_whose_configuration_must_change_is_not_to_be_resumed(make_run: MakeRun) -> None:
    state = view_run(make_run("b", "failed"))
    assert state.error is not None
    batch = replace(state.error, next=("at most 400: --set schedule.batch_size=...", "train on more images"))
    assert rows(replace(state, error=batch))[4] == (
        "an image cannot be read   d opens its configuration, to change it for a new run"
    )
    fetch = replace(state.error, title="cannot fetch a.zip", next=("start again",))
    never = replace(state, step=0, evaluations=(), error=fetch, status_reason=fetch.title)
    assert rows(never)[4] == "cannot fetch a.zip   r tries again, L shows what to do"
    for step in ("restore it", "--set dataset.root=/x", "then resume the run"):
        assert "r resumes it" in rows(replace(state, error=replace(state.error, next=(step,))))[4]


def test_a_phase_has_its_progress() -> None:
    state = RunState(status="running", phase=Phase("download", 5e6, 2e7, "bytes", "cifar10"))
    assert rows(state)[2].startswith("now downloading cifar10: 5.0 MB of 20.0 MB")


def test_the_share_of_a_long_log_that_has_been_read_is_shown(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "stopped"))
    assert rows(state, HeaderNotes(behind=0.431))[4] == "reading its log: 43%"


def test_the_reason_why_a_log_cannot_be_read_is_shown(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "stopped"))
    assert rows(state, HeaderNotes(unreadable="cannot read \x1b[2J"))[4] == "cannot read \\x1b[2J"


def test_a_collapse_is_shown_whatever_panel_is_in_sight() -> None:
    collapsed = Diagnostics(
        step=1,
        epoch=0,
        space="projector",
        samples=256,
        dim=32,
        spectrum=(1.0,),
        effective_rank=1.1,
        effective_rank_null=30.0,
        condition_number=1e9,
        smallest_pivot=1e-9,
        feature_std=0.5,
        mean_correlation=0.9,
        seconds=0.1,
    )
    state = RunState(status="running", diagnostics=(collapsed,) * 3)
    assert rows(state)[4] == "embeddings: collapsed (W: why)"


def test_damage_in_the_log_is_counted() -> None:
    assert rows(RunState(status="completed", unreadable=2, missing=1))[4] == (
        "3 lines of the log are damaged or missing"
    )


def test_text_of_a_run_is_sanitised(make_run: MakeRun) -> None:
    state = view_run(make_run("small", "running"))
    hostile = replace(
        state,
        run_id="[/red]\x1b]52;c;aGk=\x07",
        summary=replace(state.summary, title="[@click=app.quit]x[/] \u202e"),
        phase=Phase("\x1b[2J[bold]"),
    )
    identity, _, numbers, *_ = rows(hostile, width=118)
    assert identity.startswith("[/red]\\x1b]52;c;aGk=\\x07   ● running")
    assert identity.endswith("[@click=app.quit]x[/] \\u202e")
    assert numbers.startswith("now \\x1b[2J[bold]")
    assert "@click" not in repr(
        [span.style for row in header_rows(hostile, NOTHING, 118, KeyNames({})) for span in row.spans]
    )


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [(0, 4, "░░░░"), (2, 4, "██░░"), (4, 4, "████"), (9, 4, "████"), (3, 0, "░░░░"), (3.99, 4, "███░")],
)
def test_a_bar_is_full_only_at_the_end(done: float, total: float, drawn: str) -> None:
    assert progress_bar(done, total, 4).plain == drawn


def test_parts_that_do_not_fit_are_left_out_from_the_end_or_cut() -> None:
    parts = [Content("first"), Content(""), Content("second"), Content("a third and longer one")]
    assert join_fitting(parts, 99).plain == "first   second   a third and longer one"
    assert join_fitting(parts, 32).plain == "first   second   a third and lo…"
    assert join_fitting(parts, 24).plain == "first   second"
    assert join_fitting(parts, 3).plain == "fi…"
