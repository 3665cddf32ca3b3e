"""The map of test embeddings: points in two dimensions, coloured by class."""

from __future__ import annotations

from textual.app import ComposeResult

from wmse_tui.runs.state.embedding import EmbeddingMap
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui.charts.scatter import Scatter
from wmse_tui.tui.widgets.monitor.pane import Pane

METHODS = {"pca": "principal components", "tsne": "t-SNE"}
NONE_YET = "no map yet: one is drawn with each evaluation"


class MapPane(Pane):
    """The newest map, or a sentence on why there is none."""

    def __init__(self) -> None:
        super().__init__(title="Map", id="map")
        self._scatter = Scatter()

    def compose(self) -> ComposeResult:
        yield self._scatter

    def show(self, found: EmbeddingMap) -> None:
        """Show a map."""
        method = METHODS.get(found.method, safe(found.method, 20))
        when = "untrained" if found.step == 0 else f"epoch {found.epoch}"
        note = f"{len(found.points)} test images, {when}, {method}"
        self._scatter.show(found.points, found.labels, found.classes, "Embeddings", note)

    def tell(self, sentence: str) -> None:
        """Say why there is no map."""
        self._scatter.clear(empty=sentence)
