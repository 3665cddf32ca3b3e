"""The Map panel: test embeddings in two dimensions, of the newest evaluation or of an earlier one.

One class after the other can be chosen; it stays chosen in the maps of other steps.
"""

from __future__ import annotations

from textual.app import ComposeResult

from wmse_tui.runs.state.embedding import EmbeddingMap
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.charts.scatter import Scatter
from wmse_tui.tui.widgets.monitor.moment import MomentChosen, moved_moment
from wmse_tui.tui.widgets.panel import Panel

_METHODS = {"pca": "principal components", "tsne": "t-SNE"}


class MapPanel(Panel, can_focus=True):
    """A map of test embeddings coloured by class, or why there is none.

    Attributes:
        steps: of the maps that are saved, rising.
        moment: the step that all panels show; None: the newest.
    """

    BINDINGS = [*keys.MAP, *keys.MOMENTS]  # noqa: RUF012 (Textual's type)

    def __init__(self) -> None:
        super().__init__(title="Map", id="map")
        self.steps: tuple[int, ...] = ()
        self.moment: int | None = None
        self._scatter = Scatter()
        self._chosen: int | None = None
        self._about = ""  # which map it is

    def compose(self) -> ComposeResult:
        yield self._scatter

    def show(self, found: EmbeddingMap, remark: str = "") -> None:
        """Show a map, and what else is to be said of it."""
        method = _METHODS.get(found.method, safe(found.method, 20))
        when = "untrained" if found.step == 0 else f"epoch {found.epoch}"
        self._about = f"{len(found.points)} test images, {when}, {method}"
        if remark:
            self._about = f"{self._about}; {remark}"
        chosen, self._chosen = self._chosen, None  # the new map need not have that class
        self._scatter.show(found.points, found.labels, found.classes, "Embeddings", self._note())
        self._choose(chosen)

    def show_reason(self, sentence: str) -> None:
        """Show why there is no map."""
        self._scatter.clear(empty=sentence)
        self.border_subtitle = ""

    def _choose(self, kind: int | None) -> None:
        """Draw a class above the others, if the map has it; None: all alike."""
        self._chosen = kind if kind in dict(self._scatter.names) else None
        self._scatter.choose(self._chosen, self._note())
        self.border_subtitle = "faint: few images, reversed: the centre of a class"
        self.refresh_bindings()

    def _note(self) -> str:
        if self._chosen is None:
            return self._about
        name = safe(dict(self._scatter.names)[self._chosen], 24)
        many = sum(kind == self._chosen for _, _, kind in self._scatter.points)
        return f"{name}: {many} of {self._about}"

    def on_scatter_pointed(self, event: Scatter.Pointed) -> None:
        """Choose the class that was clicked at, or all again."""
        event.stop()
        self._choose(None if event.kind == self._chosen else event.kind)

    def action_class(self, by: int) -> None:
        """Choose the next class; after the last one all of them."""
        order = [None, *(kind for kind, _ in self._scatter.names)]
        at = order.index(self._chosen) if self._chosen in order else 0
        self._choose(order[(at + by) % len(order)])

    def action_all_classes(self) -> None:
        """Draw all classes alike again."""
        self._choose(None)

    def action_moment(self, by: int) -> None:
        """Show an earlier (-1) or a later (1) map."""
        if self.steps:
            self.post_message(MomentChosen(moved_moment(self.steps, self.moment, by)))

    def action_first_moment(self) -> None:
        """Show the first map."""
        if self.steps:
            self.post_message(MomentChosen(self.steps[0]))

    def action_newest_moment(self) -> None:
        """Show the newest map again."""
        self.post_message(MomentChosen(None))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Without a chosen class, and while the newest is shown, `escape` is the screen's."""
        if action == "all_classes":
            return self._chosen is not None
        return action != "newest_moment" or self.moment is not None
