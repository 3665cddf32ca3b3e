"""The head of Monitor: what it says of a run in each state, in as many cells as there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from textual.content import Content

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Diagnostics, Phase
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import STATUSES
from wmse_tui.runs.state.watch import view_run
from wmse_tui.tui.widgets.monitor.header import Headline, bar, header_rows
from wmse_tui.tui.widgets.monitor.line import fit
from wmse_tui.tui.widgets.monitor.requests import Word

MakeRun = Callable[..., RunDirectory]
NOTHING = Headline()


def rows(view: RunState, headline: Headline = NOTHING, width: int = 78) -> list[str]:
    return [row.plain for row in header_rows(view, headline, width)]


def test_a_run_at_work_says_how_far_it_is(make_run: MakeRun) -> None:
    view = view_run(make_run("small", "running", overrides=["title=A title"]))
    identity, progress, numbers, accuracies, trouble, request = rows(view)
    assert identity == "small   ● running   attempt 1   CPU, 2 threads   A title"
    assert "epoch ███████████░░░░░░░░░░░ 2/4" in progress
    assert "step ░░░░░░░░░░░░░░░░░░░░░░ 0/5" in progress
    assert progress.endswith("s left")
    assert numbers == "now training   loss 1.2   lr 0.00165   1802 images/s"
    assert accuracies == "epoch 2 5-NN 81.25 %, linear 87.50 %   best 81.25 % at 2, 87.50 % at 2"
    assert (trouble, request) == ("", "")


def test_a_completed_run_says_how_long_it_took(make_run: MakeRun) -> None:
    _, progress, numbers, *_ = rows(view_run(make_run("small", "completed")))
    assert "4/4" in progress
    assert "5/5" in progress
    assert progress.endswith("took 28 s")
    assert numbers.startswith("loss 0.4")


@pytest.mark.parametrize("width", [20, 40, 58, 78, 118, 198])
@pytest.mark.parametrize("state", STATUSES)
def test_no_row_is_wider_than_its_room(make_run: MakeRun, state: str, width: int) -> None:
    view = view_run(make_run("a-run-with-quite-a-long-name-of-sixty-characters-for-a-change-1", state))
    word = Word("checkpoint: asked 12:00:00, waiting " * 5, "waiting")
    for row in rows(view, Headline(words=(word, word)), width):
        assert cell_len(row) <= width
    for row in rows(view, Headline(behind=0.43, unreadable=""), width):
        assert cell_len(row) <= width


def test_why_a_run_ended_is_told_with_the_way_on(make_run: MakeRun) -> None:
    assert rows(view_run(make_run("a", "crashed")))[4] == (
        "process 77 is gone without a last word   r resumes it"
    )
    assert rows(view_run(make_run("b", "failed")))[4] == "an image cannot be read   r resumes it"


def test_a_run_that_was_never_started_has_nothing_to_tell(make_run: MakeRun) -> None:
    identity, progress, numbers, accuracies, trouble, _ = rows(view_run(make_run("small", "new")))
    assert identity.startswith("small   ○ new")
    assert "0/4" in progress
    assert "0/?" in progress
    assert numbers == "now new   loss -   lr -"
    assert accuracies == "not evaluated yet"
    assert trouble == "it was never started; r starts it"


def test_the_untrained_encoder_is_not_the_best_one(make_run: MakeRun) -> None:
    view = view_run(make_run("small", "completed"))
    assert rows(replace(view, evaluations=view.evaluations[:1]))[3] == "untrained 5-NN 31.00 %"


def test_what_the_trainer_is_busy_with_has_its_progress() -> None:
    view = RunState(status="running", phase=Phase("download", 5e6, 2e7, "bytes", "cifar10"))
    assert rows(view)[2].startswith("now downloading cifar10: 5.0 MB of 20.0 MB")


def test_a_long_log_that_is_being_read_says_so(make_run: MakeRun) -> None:
    view = view_run(make_run("small", "stopped"))
    assert rows(view, Headline(behind=0.431))[4] == "reading its log: 43%"


def test_a_log_that_cannot_be_read_says_why(make_run: MakeRun) -> None:
    view = view_run(make_run("small", "stopped"))
    assert rows(view, Headline(unreadable="cannot read \x1b[2J"))[4] == "cannot read \\x1b[2J"


def test_embeddings_that_collapse_are_told_wherever_one_is() -> None:
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
    view = RunState(status="running", diagnostics=(collapsed,) * 3)
    assert rows(view)[4] == "embeddings: collapsed (W: why)"


def test_damage_in_the_log_is_counted() -> None:
    assert rows(RunState(status="completed", unreadable=2, missing=1))[4] == (
        "3 lines of the log are damaged or missing"
    )


def test_text_of_a_run_is_harmless(make_run: MakeRun) -> None:
    view = view_run(make_run("small", "running"))
    hostile = replace(
        view,
        run_id="[/red]\x1b]52;c;aGk=\x07",
        summary=replace(view.summary, title="[@click=app.quit]x[/] \u202e"),
        phase=Phase("\x1b[2J[bold]"),
    )
    identity, _, numbers, *_ = rows(hostile, width=118)
    assert identity.startswith("[/red]\\x1b]52;c;aGk=\\x07   ● running")
    assert identity.endswith("[@click=app.quit]x[/] \\u202e")
    assert numbers.startswith("now \\x1b[2J[bold]")
    assert "@click" not in repr(
        [span.style for row in header_rows(hostile, NOTHING, 118) for span in row.spans]
    )


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [(0, 4, "░░░░"), (2, 4, "██░░"), (4, 4, "████"), (9, 4, "████"), (3, 0, "░░░░"), (3.99, 4, "███░")],
)
def test_a_bar_is_full_only_at_the_end(done: float, total: float, drawn: str) -> None:
    assert bar(done, total, 4).plain == drawn


def test_what_does_not_fit_is_left_out_from_the_end_or_cut_where_that_is_worth_it() -> None:
    parts = [Content("first"), Content(""), Content("second"), Content("a third and longer one")]
    assert fit(parts, 99).plain == "first   second   a third and longer one"
    assert fit(parts, 32).plain == "first   second   a third and lo…"
    assert fit(parts, 24).plain == "first   second"
    assert fit(parts, 3).plain == "fi…"
