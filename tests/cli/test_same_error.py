"""One failure in the app's log, a followed run, `show` and JSON: the same text everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from events import activity_of
from typer.testing import Result

from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.log.events import Error, Exit, Phase
from wmse_tui.runs.log.writer import EventWriter

Cli = Callable[..., Result]
ERROR = Error(
    code="E_GPU_OOM",
    title="not enough GPU memory",
    detail="CUDA out of memory.\n  process 41112 (python train.py): 9.6 GB",
    saved="checkpoint step-00000004.pt; the run can be resumed from it",
    next=("resume the run when the card is free", "or with a smaller evaluation.batch_size"),
    stage="start",  # of a later attempt: there is a checkpoint
)
PIECES = (ERROR.code, ERROR.title, *ERROR.detail.split("\n  "), ERROR.saved, *ERROR.next)


@pytest.fixture
def failed(make_run: Callable[..., RunDirectory]) -> RunDirectory:
    run = make_run(name="failed")
    with EventWriter(run.events) as log:
        log.begin_attempt()
        for event in (Phase("start"), ERROR, Exit(status="failed", step=4, epoch=1, seconds=1.0)):
            log.write(event)
    return run


def test_every_output_has_the_error_its_cause_what_is_saved_and_what_to_do(
    cli: Cli, failed: RunDirectory
) -> None:
    outputs = {
        "the app's log": "\n".join(line.text for line in activity_of(failed)),
        "show": cli("show", "failed").stdout,
        "attach": (followed := cli("attach", "failed", "--headless")).stderr,
    }
    for output, text in outputs.items():
        for piece in PIECES:
            assert piece in text, (output, piece)
    assert "error  not enough GPU memory [E_GPU_OOM]" in followed.stdout


@pytest.mark.parametrize("command", ["show", "attach"])
def test_json_has_the_same_error_as_fields(cli: Cli, failed: RunDirectory, command: str) -> None:
    answer = cli(command, "failed", "--json").stdout
    error = json.loads(answer if command == "show" else answer.splitlines()[-1])["error"]
    for name in ("code", "title", "detail", "saved"):
        assert error[name] == getattr(ERROR, name)
    assert error["next"] == list(ERROR.next)
