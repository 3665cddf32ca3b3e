"""Whatever the files of a run contain, no command sends a terminal anything but printable text."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from events import read_log
from hostile import HOSTILE, control_characters, hostile_events
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import Result

from wmse_tui.cli.console import error_lines
from wmse_tui.cli.follow.live import live_frame, render_frame
from wmse_tui.cli.follow.plain import PlainLines
from wmse_tui.cli.run_report import run_report
from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.config.locations import runs_dir
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.log.encoding import encode
from wmse_tui.runs.log.events import Record
from wmse_tui.runs.state.config import ConfigSummary
from wmse_tui.runs.state.fold import fold
from wmse_tui.runs.state.run import RunState

Cli = Callable[..., Result]
anything = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=60)
@given(text=anything)
@example(text=HOSTILE)
def test_any_text_in_a_log_is_printed_without_control_characters(text: str) -> None:
    """`show`, the plain lines of `--headless` and error messages, with any text in every field of a log."""
    records = [Record(1, n, 1e9 + n, 1, event) for n, event in enumerate(hostile_events(text), 1)]
    state = fold(RunState(run_id=text, path=text, summary=ConfigSummary(title=text, preset=text)), records)
    assert not control_characters(run_report(state))
    plain = PlainLines()
    assert not any(control_characters(line) for record in records for line in plain.lines(record, state))
    assert not any(control_characters(line) for line in error_lines(text, text, (text,)))


@pytest.fixture
def hostile() -> RunDirectory:
    experiment = load_experiment(preset="quickstart").model_copy(update={"title": "a \x1b[31m [/foo] title"})
    runs = [create_run(runs_dir(), dump_experiment(experiment), name=name) for name in ("hostile", "other")]
    for run in runs:
        lines = [encode(Record(1, n, 1e9 + n, 1, event)) for n, event in enumerate(hostile_events(), 1)]
        run.events.write_text("\n".join(lines) + "\n")
        run.trainer_log.write_text(HOSTILE + "\n")
        run.annotations.write_text(json.dumps({"v": 1, "tags": ["fine"], "note": HOSTILE}))
    return runs[0]


@pytest.mark.parametrize(
    "command",
    [
        ("show", "hostile"),
        ("show", "hostile", "--json"),
        ("runs",),
        ("runs", "--json"),
        ("logs", "hostile"),
        ("tag", "hostile"),
        *(
            ("compare", "hostile", "other", "--format", f)
            for f in ("table", "json", "csv", "markdown", "latex")
        ),
        ("attach", "hostile", "--headless"),
        ("attach", "hostile", "--json"),
        ("show", "hos\x1b[2Jtile"),
        ("run", "--preset", "\x1b]0;x\x07"),
        ("run", "--preset", "quickstart", "--name", "\x1b]0;x\x07", "--headless"),
        ("run", "--preset", "quickstart", "--set", "seed=\x1b[31m", "--headless"),
    ],
    ids=" ".join,
)
def test_no_command_sends_control_characters_of_a_file_or_an_argument(
    cli: Cli, hostile: RunDirectory, command: tuple[str, ...]
) -> None:
    result = cli(*command)
    assert result.output
    assert control_characters(result.output) <= {"\r"}, repr(result.output)  # \r: how csv ends its lines
    assert len(read_log(hostile.events)) == len(hostile_events())


def test_the_live_display_sends_no_control_characters_of_a_run(hostile: RunDirectory) -> None:
    """Drawn without a terminal, so that control characters could only come from the run."""
    from wmse_tui.runs.state.watch import view_run

    console = Console(file=io.StringIO(), force_terminal=False, width=100)
    console.print(render_frame(live_frame(view_run(hostile), HOSTILE), 100))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "hostile" in drawn
    assert not control_characters(drawn)
