"""The panels of Monitor: as many as fit on the screen, one of them active."""

from __future__ import annotations

from typing import Literal, TypeAlias

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import DescendantFocus, Resize
from textual.message import Message
from textual.widgets import Static

from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.widgets.monitor.charts import ChartsPanel
from wmse_tui.tui.widgets.monitor.map_panel import MapPanel
from wmse_tui.tui.widgets.monitor.text_panel import TextPanel
from wmse_tui.tui.widgets.monitor.usage import UsagePanel
from wmse_tui.tui.widgets.monitor.whitening import WhiteningPanel
from wmse_tui.tui.widgets.panel import Panel

PANEL_NAMES = {
    "plots": "Plots",
    "whitening": "Whitening",
    "map": "Map",
    "usage": "Usage",
    "log": "Log",
    "output": "Output",
    "evaluations": "Evaluations",
    "config": "Config",
}
"""The panels in their order; the first letter of each activates it."""

Layout: TypeAlias = Literal["tabs", "grid", "full"]
LAYOUTS: tuple[Layout, ...] = ("tabs", "grid", "full")

_SIDE = frozenset({"whitening", "usage"})
_UPPER = _SIDE | {"plots"}
_FIXED: dict[Layout, frozenset[str]] = {"tabs": frozenset(), "grid": _UPPER, "full": _UPPER | {"map"}}
_WIDE = 68  # columns from which the tabs have spaces between them


def layout_of(width: int, height: int) -> Layout:
    """The layout of a screen by its size in cells: one panel at a time, a few, or nearly all."""
    if width < 100 or height < 30 or (width < 120 and height < 36):  # beside the panel Whitening: one plot
        return "tabs"
    return "full" if width >= 160 and height >= 45 else "grid"


def shares_space(layout: Layout, panel: str) -> bool:
    """Whether a panel is shown in turn with others in the same space."""
    return layout == "tabs" or panel not in _FIXED[layout]


def visible_panels(layout: Layout, active: str, large: bool, shared: str) -> frozenset[str]:
    """The panels in sight.

    Args:
        layout: of the screen.
        active: the panel that has the focus.
        large: it fills the screen.
        shared: the one to show of the panels that share a space.
    """
    if large or layout == "tabs":
        return frozenset({active})
    return _FIXED[layout] | {shared}


class Panels(Vertical):
    """Eight panels, and the tabs with their names.

    Args:
        keys: the keys that texts name.

    Attributes:
        in_sight: the panels that are shown.
        active: the panel that has the focus.
        large: it fills the screen.
    """

    class Arranged(Message):
        """Other panels are in sight now, and have their sizes."""

    def __init__(self, keys: KeyNames) -> None:
        super().__init__(id="panels")
        self.active = "plots"
        self.large = False
        self.in_sight: frozenset[str] = frozenset()
        self.charts = ChartsPanel()
        self.whitening = WhiteningPanel()
        self.usage = UsagePanel()
        self.map = MapPanel()
        self.log_lines = TextPanel(title="Log", id="log", keys=keys, empty="Nothing has happened yet.")
        self.output = TextPanel(
            title="Output: trainer.log",
            id="output",
            keys=keys,
            empty="The trainer has printed nothing.",
            indent=4,
        )
        self.evaluations = TextPanel(
            title="Evaluations", id="evaluations", keys=keys, empty="No evaluation yet.", indent=4
        )
        self.config = TextPanel(title="Config: config.yaml", id="config", keys=keys, follow=False, indent=4)
        self._tabs = PanelTabs(keys)
        self._shared = "log"  # the one to show of the panels that share a space

    def compose(self) -> ComposeResult:
        with Horizontal(id="upper"):
            yield self.charts
            with Vertical(id="side"):
                yield self.whitening
                yield self.usage
        with Horizontal(id="lower"):
            yield self.map
            yield self.log_lines
            yield self.output
            yield self.evaluations
            yield self.config
        yield self._tabs

    def on_mount(self) -> None:
        self.show_fitting()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self.show_fitting()

    def restore(self, active: str, *, large: bool) -> None:
        """Show what an earlier app has shown; before the first drawing."""
        if active in PANEL_NAMES:
            self.active, self.large = active, large

    def panel(self, name: str) -> Panel:
        """The panel of that name."""
        return self.query_one(f"#{name}", Panel)

    def show_fitting(self) -> None:
        """Show the panels that fit."""
        layout = layout_of(self.app.size.width, self.app.size.height)
        if shares_space(layout, self.active):
            self._shared = self.active
        elif not shares_space(layout, self._shared):
            self._shared = "log"
        self.in_sight = visible_panels(layout, self.active, self.large, self._shared)
        for one in LAYOUTS:
            self.set_class(one == layout, f"-{one}")
        self.set_class(self.large, "-large")
        for name in PANEL_NAMES:
            self.panel(name).display = name in self.in_sight
        self.usage.spacious = self.in_sight == {"usage"}
        self.charts.single = self.large and self.active == "plots"
        self.query_one("#upper").display = bool(self.in_sight & _UPPER)
        self.query_one("#side").display = bool(self.in_sight & _SIDE)
        self.query_one("#lower").display = bool(self.in_sight - _UPPER)
        self._tabs.show(self.active, self.large)
        self.call_after_refresh(self.post_message, self.Arranged())

    def activate(self, name: str) -> None:
        """Give a panel the focus."""
        if name != self.active:
            self.active = name
            self.show_fitting()
        self.focus_active()

    def cycle(self, by: int) -> None:
        """Activate another panel, `by` positions after the active one, cyclically."""
        names = list(PANEL_NAMES)
        self.activate(names[(names.index(self.active) + by) % len(names)])

    def maximise(self) -> None:
        """Let the active panel fill the screen (of the plots a single one), or show the others again."""
        self.large = not self.large
        self.show_fitting()
        self.focus_active()

    def focus_active(self) -> None:
        """Give the active panel the focus at once: the next key is for it."""
        panel = self.panel(self.active)
        self.screen.set_focus(panel.lines if isinstance(panel, TextPanel) else panel, scroll_visible=False)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """A click has activated a panel."""
        for node in event.widget.ancestors_with_self:
            if node.id in PANEL_NAMES and node.id != self.active:
                self.active = node.id
                self.show_fitting()


class PanelTabs(Static):
    """The names of the panels, to be clicked."""

    def __init__(self, keys: KeyNames) -> None:
        super().__init__("", id="panel-tabs", markup=False)
        self._keys = keys
        self._shown = "", False

    def show(self, active: str, large: bool) -> None:
        """Mark the active panel; `large`: it fills the screen."""
        if self._shown != (active, large):
            self._shown = active, large
            self._draw()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self._draw()

    def _draw(self) -> None:
        active, large = self._shown
        pad = " " if self.size.width >= _WIDE else ""
        parts = [Content(" ")]
        for panel, name in PANEL_NAMES.items():
            text = Content.from_markup(f"[@click=screen.pane('{panel}')]{pad}{name} [/]")
            if panel == active:
                parts.append(text.stylize("bold reverse"))
            else:
                parts.append(text.stylize("dim").stylize("bold $accent", len(pad), len(pad) + 1))
        if large:
            parts.append(Content.styled(f"  {self._keys.name('maximise')}: all panels", "dim"))
        self.update(Content("").join(parts), layout=False)
