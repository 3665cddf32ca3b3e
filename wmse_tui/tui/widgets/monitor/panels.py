"""The panels of Monitor and how they stand: all that there is room for, one of them with the keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.message import Message

from wmse_tui.tui.widgets.monitor.charts import ChartsPane
from wmse_tui.tui.widgets.monitor.layout import LAYOUTS, SIDE, UPPER, layout_of, seen, takes_turns
from wmse_tui.tui.widgets.monitor.machine import MachinePane
from wmse_tui.tui.widgets.monitor.map import MapPane
from wmse_tui.tui.widgets.monitor.pane import Pane, TextPane
from wmse_tui.tui.widgets.monitor.strip import NAMES, PaneStrip
from wmse_tui.tui.widgets.monitor.whitening import WhiteningPane


class Panels(Vertical):
    """Eight panels and the strip of their names.

    Attributes:
        seen: those in sight.
        active: the one with the keys.
        large: it has all the room.
    """

    class Arranged(Message):
        """Other panels are in sight now, and have their sizes."""

    def __init__(self) -> None:
        super().__init__(id="panels")
        self.active = "plots"
        self.large = False
        self.seen: frozenset[str] = frozenset()
        self.charts = ChartsPane()
        self.whitening = WhiteningPane()
        self.machine = MachinePane()
        self.map = MapPane()
        self.log_lines = TextPane(title="Log", id="log", nothing="Nothing has happened yet.")
        self.output = TextPane(
            title="Output: trainer.log", id="output", nothing="The trainer has printed nothing.", indent=4
        )
        self.evaluations = TextPane(
            title="Evaluations", id="evaluations", nothing="No evaluation yet.", indent=4
        )
        self.config = TextPane(title="Config: config.yaml", id="config", follow=False, indent=4)
        self._strip = PaneStrip()
        self._turn = "log"  # of the panels that take turns, the one that was seen last

    def compose(self) -> ComposeResult:
        with Horizontal(id="upper"):
            yield self.charts
            with Vertical(id="side"):
                yield self.whitening
                yield self.machine
        with Horizontal(id="lower"):
            yield self.map
            yield self.log_lines
            yield self.output
            yield self.evaluations
            yield self.config
        yield self._strip

    def on_mount(self) -> None:
        self.stand()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self.stand()

    def pane(self, name: str) -> Pane:
        """The panel of that name."""
        return self.query_one(f"#{name}", Pane)

    def stand(self) -> None:
        """Show the panels that there is room for."""
        layout = layout_of(self.app.size.width, self.app.size.height)
        if takes_turns(layout, self.active):
            self._turn = self.active
        elif not takes_turns(layout, self._turn):
            self._turn = "log"
        self.seen = seen(layout, self.active, self.large, self._turn)
        for one in LAYOUTS:
            self.set_class(one == layout, f"-{one}")
        self.set_class(self.large, "-large")
        for name in NAMES:
            self.pane(name).display = name in self.seen
        self.charts.single = self.large and self.active == "plots"
        self.query_one("#upper").display = bool(self.seen & UPPER)
        self.query_one("#side").display = bool(self.seen & SIDE)
        self.query_one("#lower").display = bool(self.seen - UPPER)
        self._strip.tell(self.active, self.large)
        self.call_after_refresh(self.post_message, self.Arranged())

    def activate(self, name: str) -> None:
        """Give a panel the keys."""
        if name != self.active:
            self.active = name
            self.stand()
        self.focus_active()

    def turn(self, by: int) -> None:
        """Give the next panel the keys."""
        names = list(NAMES)
        self.activate(names[(names.index(self.active) + by) % len(names)])

    def maximise(self) -> None:
        """All the room for the active panel, of the plots for one; or as before."""
        self.large = not self.large
        self.stand()
        self.focus_active()

    def focus_active(self) -> None:
        """Let the keys go to the active panel, the very next one included."""
        self.screen.set_focus(self.pane(self.active).body, scroll_visible=False)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """A click made a panel the active one."""
        for node in event.widget.ancestors_with_self:
            if isinstance(node, Pane) and node.id in NAMES and node.id != self.active:
                self.active = node.id
                self.stand()
