"""The Map panel: test embeddings in two dimensions, of the newest evaluation or of an earlier one."""

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

    BINDINGS = keys.MOMENTS

    def __init__(self) -> None:
        super().__init__(title="Map", id="map")
        self.steps: tuple[int, ...] = ()
        self.moment: int | None = None
        self._scatter = Scatter()

    def compose(self) -> ComposeResult:
        yield self._scatter

    def show(self, found: EmbeddingMap, remark: str = "") -> None:
        """Show a map, and what else is to be said of it."""
        method = _METHODS.get(found.method, safe(found.method, 20))
        when = "untrained" if found.step == 0 else f"epoch {found.epoch}"
        note = f"{len(found.points)} test images, {when}, {method}"
        if remark:
            note = f"{note}; {remark}"
        self._scatter.show(found.points, found.labels, found.classes, "Embeddings", note)

    def show_reason(self, sentence: str) -> None:
        """Show why there is no map."""
        self._scatter.clear(empty=sentence)

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
        """While the newest is shown `escape` is the screen's."""
        return action != "newest_moment" or self.moment is not None
