"""Lists, scrolling parts and buttons that know the keys of vi, and whose cursor is seen without colours."""

from __future__ import annotations

from textual.containers import VerticalScroll
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Button, OptionList

from wmse_tui.tui import keys

_REVERSE = Style(reverse=True)


def with_reverse(widget: Widget, style: Style, components: tuple[str, ...]) -> Style:
    """`style`, reversed where the stylesheet says so: Textual 8 forgets that in `get_visual_style`."""
    styles = [widget.get_component_styles(name) for name in components] or [widget.styles]
    return style + _REVERSE if any(one.text_style.reverse for one in styles) else style


class KeyList(OptionList):
    """An option list with j, k, g and G."""

    BINDINGS = keys.LIST

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> Style:
        style = super().get_visual_style(*component_classes, partial=partial)
        return with_reverse(self, style, component_classes)


class KeyScroll(VerticalScroll):
    """Scrolls by j, k, g and G, arrows and pages."""

    BINDINGS = keys.SCROLL


class AnswerButton(Button):
    """A button of a dialog."""

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> Style:
        style = super().get_visual_style(*component_classes, partial=partial)
        return with_reverse(self, style, component_classes)
