"""A status has one tone: Monitor, Runs, Compare and the live display colour it alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Group
from rich.text import Text

import wmse_tui.tui
from wmse_tui.cli.follow.live import live_frame, render_frame
from wmse_tui.runs.state.config import Configuration
from wmse_tui.runs.state.run import RunState
from wmse_tui.runs.state.status import STATUSES, TONES, Status, Tone
from wmse_tui.runs.table.compare import Subject, compare
from wmse_tui.runs.table.index import RunRow
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.widgets.compare.sheets import results_sheet
from wmse_tui.tui.widgets.monitor.header import HeaderNotes, header_rows
from wmse_tui.tui.widgets.runs.columns import BY_NAME, CellContext
from wmse_tui.tui.widgets.runs.run_table import RunTable
from wmse_tui.tui.widgets.table import CellTable

MONITOR: dict[Tone, str] = {
    "muted": "bold dim",
    "info": "bold $primary",
    "good": "bold $success",
    "warning": "bold $warning",
    "bad": "bold $error",
}
LIVE: dict[Tone, str] = {"muted": "dim", "info": "blue", "good": "green", "warning": "yellow", "bad": "red"}


def in_monitor(status: Status) -> Tone:
    identity = header_rows(RunState(run_id="a", status=status), HeaderNotes(), 78, KeyNames({}))[0]
    (style,) = {str(span.style) for span in identity.spans if status in identity.plain[span.start : span.end]}
    return next(tone for tone, shown in MONITOR.items() if shown == style)


def in_runs(status: Status) -> str | int | None:
    row = RunRow(run_id="a", path="/runs/a", status=status)
    return BY_NAME["state"].cell(row, CellContext(width=12, minute=0)).style


def in_compare(status: Status) -> str | int | None:
    subject = Subject(RunState(run_id="a", status=status), Configuration(None))
    return results_sheet(compare([subject]), str, {}).rows[0][1].style


def in_live(status: Status) -> Tone:
    drawn = render_frame(live_frame(RunState(run_id="a", status=status)), 80)
    assert isinstance(drawn, Group)
    head = drawn.renderables[0]
    assert isinstance(head, Text)
    (style,) = {str(span.style) for span in head.spans if status in head.plain[span.start : span.end]}
    return next(tone for tone, shown in LIVE.items() if shown == style)


@pytest.mark.parametrize("display", [in_monitor, in_runs, in_compare, in_live])
def test_every_display_colours_a_status_by_its_tone(display: Callable[[Status], object]) -> None:
    assert {status: display(status) for status in STATUSES} == TONES


def test_both_tables_have_a_colour_for_each_tone() -> None:
    stylesheet = Path(wmse_tui.tui.__file__).with_name("styles.tcss").read_text()
    for tone in get_args(Tone):
        assert f"table--{tone}" in RunTable.COMPONENT_CLASSES
        assert f"table--{tone}" in CellTable.COMPONENT_CLASSES
        assert f"\n.table--{tone} {{" in stylesheet
