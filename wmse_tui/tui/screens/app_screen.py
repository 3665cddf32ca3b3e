"""The base of the five screens: the bar at the top, the keys at the bottom, and classes for sizes.

A screen adds its widgets in `compose_body`. Its `HELP` is shown above the keys in the help. Sizes
are classes in the stylesheet: `-narrow` under 100 columns, `-wide` from 160; `-short` under 30 rows,
`-tall` from 45; `-ascii` where only ASCII may be drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, TypeVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize, ScreenResume
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static
from textual.widgets._footer import FooterKey

from wmse_tui.tui.keys import key_name
from wmse_tui.tui.screen_names import SCREENS
from wmse_tui.tui.services import Services, app_of, services_of

SMALLEST = (60, 18)
MEDIUM, WIDE = 100, 160
"""Columns from which a screen is no longer narrow, and from which it is wide."""
MIDDLING, TALL = 30, 45
"""Rows from which a screen is no longer short, and from which it is tall."""
_TOO_SMALL = "-too-small"
_QUITTING = frozenset({"leave", "copy_or_leave"})  # the actions that exit the app
_ALWAYS_SHOWN = ("help", "quit")  # in the footer
_KEY_PADDING = 3  # cells of a key in the footer beside its texts
Answer = TypeVar("Answer")
_TYPING_KEYS = {"enter": "Enter", "escape": "esc"}


class TopBar(Static):
    """The five screens, the current one marked; whether the display is frozen; the run that trains."""

    def on_mount(self) -> None:
        self.refresh_bar()
        self.watch(self.app, "frozen", self.refresh_bar, init=False)
        self.watch(self.app, "running", self.refresh_bar, init=False)

    def refresh_bar(self) -> None:
        """Draw again."""
        app = app_of(self)
        here = app.current_mode
        narrow = app.size.width < 76
        parts: list[Content] = [Content.styled(" wmse-tui ", "bold $primary")]
        for key, name, title in SCREENS:
            shown = f" {key} {title} " if not narrow or name == here else f" {key} "
            style = "bold reverse" if name == here else "$foreground-muted"
            parts.append(Content.from_markup(f"[@click=app.go('{name}')]{shown}[/]").stylize(style))
        if app.frozen:
            parts.append(Content.styled(" FROZEN ", "bold reverse $warning"))
        bar = Content("").join(parts)
        left = app.size.width - bar.cell_length - 1
        running = ""
        for part in app.running:
            longer = f"{running}  {part}" if running else f"● {part}"
            if cell_len(longer) > left:
                break
            running = longer
        gap = " " * max(0, left - cell_len(running))
        self.update(bar + Content(gap) + Content.styled(running, "$success"))

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self.refresh_bar()


class QuietFooter(Footer):
    """The keys at the bottom, rebuilt only when they change.

    Textual's footer rebuilds all of its widgets whenever the focus moves: half of a key's response time.
    """

    _shown: tuple[object, ...] | None = None

    @staticmethod
    def _possible(screen: Screen[object]) -> list[ActiveBinding]:
        """The shown bindings, each action once, without those that the state of the screen rules out."""
        if isinstance(screen.focused, Input):
            return _possible_while_typing(screen)
        found = {each.binding.action: each for each in reversed(screen.active_bindings.values())}
        return [
            each
            for each in reversed(found.values())
            if each.binding.show
            and (not isinstance(screen, AppScreen) or screen.is_possible(each.binding.id or ""))
        ]

    def _fitting(self, screen: Screen[object]) -> list[ActiveBinding]:
        """The possible bindings; where not all fit, the last are left out, but Help and Quit never."""
        possible = self._possible(screen)
        left = self.app.size.width - sum(map(self._width, possible))
        for each in reversed(possible):
            if left < 0 and each.binding.id not in _ALWAYS_SHOWN:
                possible.remove(each)
                left += self._width(each)
        return possible

    def _width(self, shown: ActiveBinding) -> int:
        """The cells of a key."""
        binding = shown.binding
        return cell_len(self.app.get_key_display(binding)) + cell_len(binding.description) + _KEY_PADDING

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002
        self.bindings_changed(self.screen)

    def compose(self) -> ComposeResult:
        """A key for each action that is possible now."""
        if not self._bindings_ready:
            return
        possible = self._fitting(self.screen)
        self.styles.grid_size_columns = len(possible)
        for _, binding, enabled, tooltip in possible:
            yield FooterKey(
                binding.key,
                self.app.get_key_display(binding),
                binding.description,
                binding.action,
                disabled=not enabled,
                tooltip=tooltip,
            ).data_bind(compact=Footer.compact)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Rebuild the footer if a visible binding has changed."""
        if self.is_attached and screen is self.screen and screen.app.app_focus:
            active = self._fitting(screen)
            shown = tuple(
                (self.app.get_key_display(each.binding), each.binding.description, each.enabled)
                for each in active
            )
            if shown == self._shown:
                return
            self._shown = shown
        super().bindings_changed(screen)


def _possible_while_typing(screen: Screen[object]) -> list[ActiveBinding]:
    """What Enter and Escape do to a line, then the shown bindings of keys that are not typed into it."""
    active = screen.active_bindings
    found = {active[key].binding.action: active[key] for key in ("enter", "escape") if key in active}
    for each in active.values():
        if each.binding.show and len(key_name(each.binding.key)) > 1:  # others are typed
            found.setdefault(each.binding.action, each)
    return [
        each._replace(
            binding=replace(
                each.binding,
                description="Accept" if each.binding.action == "submit" else each.binding.description,
                key_display=_TYPING_KEYS.get(each.binding.key),
            )
        )
        for each in found.values()
    ]


class AppScreen(Screen[None]):
    """The base of the five screens."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (MEDIUM, "-medium"), (WIDE, "-wide")]  # noqa: RUF012 (textual's type)
    VERTICAL_BREAKPOINTS = [(0, "-short"), (MIDDLING, "-middling"), (TALL, "-tall")]  # noqa: RUF012
    HELP: ClassVar[str] = ""
    # Textual's screens copy on ctrl+c; here it exits the app, unless text is selected.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "copy_or_leave", show=False)]

    # Textual's own repaints the whole screen whenever the focus moves; the widgets repaint themselves.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(self) -> None:
        super().__init__()
        # A new screen uses the parsed stylesheet. Textual would parse all of it again, twice, before it shows
        # the screen: a fifth of the time of the first visit.
        self._css_update_count = self.app._css_update_count  # noqa: SLF001 (Textual offers no other way)
        self._styled_for: frozenset[str] | None = None

    @property
    def services(self) -> Services:
        """What the app provides."""
        return services_of(self)

    def is_possible(self, name: str) -> bool:  # noqa: ARG002
        """Whether the footer offers the action of a binding id now; its key works in any case."""
        return True

    def accepts(self, key: str) -> bool:
        """Whether a key may act: on a screen that is too small to be shown, only one that exits the app."""
        if not self.has_class(_TOO_SMALL):
            return True
        found = self.active_bindings.get(key)
        return found is not None and found.binding.action in _QUITTING

    @property
    def frozen(self) -> bool:
        """Whether the display is frozen."""
        return app_of(self).frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        app_of(self).frozen = frozen

    def compose(self) -> ComposeResult:
        yield TopBar(id="topbar")
        with Vertical(id="body"):
            yield from self.compose_body()
        yield Static(id="too-small", markup=False)
        yield QuietFooter(show_command_palette=False)

    def compose_body(self) -> ComposeResult:
        """The widgets of this screen."""
        yield from ()

    def on_mount(self) -> None:
        self.set_class(self.services.ascii, "-ascii")

    def on_resize(self, event: Resize) -> None:
        small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.set_class(small, _TOO_SMALL)
        if small:
            self.query_one("#too-small", Static).update(
                f"{event.size.width} x {event.size.height} is too small.\n"
                f"At least {SMALLEST[0]} x {SMALLEST[1]} is needed, 80 x 24 is comfortable.\n"
                f"{self.services.keys.name('quit')} leaves."
            )

    def stop_typing(self) -> None:
        """Take the focus out of a line that is typed into, so that letters are keys of actions again."""
        if isinstance(self.focused, Input):
            self.set_focus(next((each for each in self.focus_chain if not isinstance(each, Input)), None))

    async def action_copy_or_leave(self) -> None:
        """Copy the selected text; without a selection, stop typing, or else exit the app."""
        if self.get_selected_text():
            self.action_copy_text()
        elif isinstance(self.focused, Input):
            self.app.simulate_key("escape")
        else:
            await self.run_action("app.leave")

    def _on_screen_resume(self, event: ScreenResume) -> None:
        # Textual computes every style of a screen each time it is shown: most of the cost of switching.
        # A new theme reaches a screen before it resumes; other than that, rules depend on the classes and
        # states of the app.
        states = frozenset((*self.app.classes, *(f":{state}" for state in self.app.get_pseudo_classes())))
        event.refresh_styles = event.refresh_styles and states != self._styled_for
        self._styled_for = states
        self.services.feed.freeze(self.frozen)
        self.query_one(TopBar).refresh_bar()

    def on_screen_suspend(self) -> None:
        if (
            self in self.app.screen_stack
        ):  # under a dialog: every change beneath it would redraw the whole screen
            self.services.feed.freeze(True)
