"""What a growing curve costs on a real terminal."""

from __future__ import annotations

import os
import sys

from pseudo_terminal import PseudoTerminal

GROWING = """
import math
from textual.app import App
from wmse_tui.runs.state.curves import Curve
from wmse_tui.tui.charts.drawing import ChartContent
from wmse_tui.tui.charts.plot import Plot

class Growing(App):
    BINDINGS = [("n", "grow"), ("x", "leave")]
    count = 100

    def compose(self):
        yield Plot()

    def on_mount(self):
        self.draw()

    def draw(self):
        x = tuple(index * 100 / 240 for index in range(self.count))
        y = tuple(2 * math.exp(-at / 30) for at in x)
        low, high = tuple(v * 0.9 for v in y), tuple(v * 1.1 for v in y)
        curve = Curve(label="loss", x=x, y=y, low=low, high=high)
        reference = ((2.0, "no structure"),)
        content = ChartContent(
            curves=(curve,), x_range=(0, 100), title="Loss", x_title="epoch", reference=reference
        )
        self.query_one(Plot).show(content)

    def action_grow(self):
        self.count += 4
        self.draw()

    def action_leave(self):
        self.exit(0)

Growing().run(mouse=False)
"""


def test_a_growing_curve_costs_less_than_two_kilobytes_a_redraw_and_nothing_between() -> None:
    environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with PseudoTerminal([sys.executable, "-c", GROWING], columns=120, rows=40, environ=environ) as terminal:
        terminal.wait_for("epoch")
        terminal.wait_quiet(0.5)
        costs = []
        for _ in range(20):
            terminal.forget()
            terminal.type("n")
            terminal.wait_for(bool)
            terminal.wait_quiet(0.1)
            costs.append(terminal.bytes)
        terminal.forget()
        terminal.wait_quiet(1.0)
        idle = terminal.bytes
        terminal.type("x")
        assert terminal.wait(60) == 0

    assert sum(costs) / len(costs) < 2048, costs  # at one redraw in two seconds: under 1 KiB/s
    assert idle == 0
