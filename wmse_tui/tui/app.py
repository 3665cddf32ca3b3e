"""The app: five screens, what they share, and how it ends.

It never holds a trainer: those it starts are processes of their own, and everything on the screen is read
from run directories.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import RenderableType
from textual import work
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.events import Event, Key
from textual.filter import Monochrome, NoColor
from textual.notifications import Notification, Notify
from textual.screen import Screen

from wmse_tui.config.fields import FormField, is_metadata
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.state.status import Status
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.crash import note_crash
from wmse_tui.tui.feed import CatalogueChanged, Feed
from wmse_tui.tui.frame import Frame
from wmse_tui.tui.glyphs import AsciiFilter, ascii_wanted
from wmse_tui.tui.keystrokes import Keystrokes
from wmse_tui.tui.launching import Trainers
from wmse_tui.tui.refresh import RefreshRates, choose_rates
from wmse_tui.tui.saved_state import SavedState
from wmse_tui.tui.screen_names import SCREENS, ScreenName
from wmse_tui.tui.screens.app_screen import AppScreen
from wmse_tui.tui.services import Selection, Services, ServicesApp, Severity
from wmse_tui.tui.settings import Settings
from wmse_tui.tui.themes import NAMES, THEMES
from wmse_tui.tui.xterm_colours import XtermFilter

if TYPE_CHECKING:
    from wmse_tui.tui.inspector import Inspector
    from wmse_tui.tui.palette import Palette, PaletteEntry
    from wmse_tui.tui.run_news import News
    from wmse_tui.tui.screens.compare import CompareScreen
    from wmse_tui.tui.screens.configure import ConfigureScreen
    from wmse_tui.tui.screens.monitor import MonitorScreen
    from wmse_tui.tui.screens.paper import PaperScreen
    from wmse_tui.tui.screens.runs import RunsScreen


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """What the app begins with.

    Args:
        runs_root: the folder of run directories.
        run: opened in Monitor.
        screen: shown first where there is no `run`; None: Configure where there are no runs, else Runs.
        own: `run` was started by the command that opened the app, so quitting asks about it.
        settings: the user's.
        problems: sentences about settings that could not be used.
        news: the header shows active runs, and their ends are reported.
        saved: what the screens showed when the app was left; None: nothing is restored or saved.
    """

    runs_root: Path
    run: RunDirectory | None = None
    screen: ScreenName | None = None
    own: bool = False
    settings: Settings = Settings()  # noqa: RUF009 (frozen)
    problems: tuple[str, ...] = ()
    news: bool = True
    saved: SavedState | None = None


_MESSAGES = 50
_MESSAGE_LINES = 8
_NEWS_AFTER = 1.5  # seconds; the first screen comes first
_VISITS = 20  # screens that `escape` goes back through
_TRANSITION = 0.01  # seconds
_TIDY_EVERY, _QUIET = 60.0, 5.0  # seconds


# Screens are imported when they are first shown: the first one must not pay for the others.
def _configure() -> ConfigureScreen:
    from wmse_tui.tui.screens.configure import ConfigureScreen

    return ConfigureScreen()


def _monitor() -> MonitorScreen:
    from wmse_tui.tui.screens.monitor import MonitorScreen

    return MonitorScreen()


def _runs() -> RunsScreen:
    from wmse_tui.tui.screens.runs import RunsScreen

    return RunsScreen()


def _compare() -> CompareScreen:
    from wmse_tui.tui.screens.compare import CompareScreen

    return CompareScreen()


def _paper() -> PaperScreen:
    from wmse_tui.tui.screens.paper import PaperScreen

    return PaperScreen()


class WmseApp(ServicesApp):
    """The application.

    Args:
        options: what the app begins with.
        rates: how often the screen may change; None: as the settings say.
        trainers: starts trainers; None: the real ones.

    Attributes:
        settings: the user's settings.
        messages: the latest messages in the corner, the newest last.
    """

    CSS_PATH = "styles.tcss"
    TITLE = "wmse-tui"
    MODES = {  # noqa: RUF012 (textual's own type)
        "configure": _configure,
        "monitor": _monitor,
        "runs": _runs,
        "compare": _compare,
        "paper": _paper,
    }
    BINDINGS = keys.APP

    def __init__(
        self, options: AppOptions, *, rates: RefreshRates | None = None, trainers: Trainers | None = None
    ) -> None:
        super().__init__()
        self.animation_level = "none"  # each frame of a scroll would send all of its lines
        self.options = options
        self.settings = options.settings
        self.messages: deque[Notification] = deque(maxlen=_MESSAGES)
        self.crash_file: Path | None = None
        self._inspector: Inspector | None = None
        rates = rates or choose_rates(options.settings.profile, os.environ)
        self.services = Services(
            runs_root=options.runs_root,
            rates=rates,
            ascii=ascii_wanted(options.settings.ascii),
            keys=keys.KeyNames(options.settings.keys),
            feed=Feed(options.runs_root, rates),
            trainers=trainers or Trainers(options.runs_root),
            selection=Selection(monitored=options.run),
            saved=options.saved or SavedState(),
            notify=self.show_message,
            inspector=self.start_inspector,
            stop_inspector=self.stop_inspector,
            show=self.action_go,
            open_run=self.open_run,
            open_compare=self.open_compare,
            open_configure=self.open_configure,
        )
        if options.own and options.run is not None:
            self.services.trainers.adopt(options.run)
        self._frame = Frame()
        self._statuses: dict[str, Status] = {}  # of the runs, by path, as the list had them last
        self._listed_at = time.time()  # when that was
        self._history: list[ScreenName] = []  # the screens before the current one
        self._keystrokes = Keystrokes(self, super().on_event)
        self._last_key = 0.0
        self._unsaved = ""  # why the state of the screens could not be saved
        for theme in THEMES:
            self.register_theme(theme)
        saved = self.services.saved
        chosen = "" if "theme" in self.settings.model_fields_set else saved.current.theme
        self.theme = NAMES.get(chosen, NAMES[self.settings.theme])
        compared = saved.of_root("compared", options.runs_root)
        self.services.selection.marked = tuple(
            run for path in compared if (run := RunDirectory(Path(path))).is_run()
        )
        if self.no_color and self.native_ansi_color:
            # Textual has chosen greys, which are colours to a terminal, before it knew of the theme.
            self._filters = [NoColor() if isinstance(f, Monochrome) else f for f in self._filters]
        if self.services.ascii:
            self._filters.append(AsciiFilter())
        self.set_keymap(self.settings.keys)

    def adapt_to_terminal(self) -> None:
        """Use the colours that the terminal has: the nearest of 256; of 16 its own, unless a theme is set."""
        if self.console.color_system == "256":
            self._filters.append(XtermFilter())
        elif self.console.color_system == "standard" and "theme" not in self.settings.model_fields_set:
            self.theme = NAMES["terminal"]

    def get_driver_class(self) -> type[Driver]:
        """Textual's choice, with a safe input thread where that is a terminal of Linux."""
        chosen = super().get_driver_class()
        if chosen.__name__ != "LinuxDriver":
            return chosen
        from wmse_tui.tui.terminal_driver import TerminalDriver

        return TerminalDriver

    def start_inspector(self) -> Inspector:
        """The process that answers what needs torch; started by the first call."""
        if self._inspector is None:
            from wmse_tui.tui.inspector import Inspector

            self._inspector = Inspector()
        return self._inspector

    def stop_inspector(self) -> None:
        """Let the inspector end, with the memory it holds; the next question starts another."""
        inspector, self._inspector = self._inspector, None
        if inspector is not None:
            threading.Thread(target=inspector.close, name="inspector's end", daemon=True).start()

    async def on_event(self, event: Event) -> None:
        shown = self.screen_stack[-1] if isinstance(event, Key) and self.screen_stack else None
        if isinstance(event, Key) and isinstance(shown, AppScreen) and not shown.accepts(event.key):
            return
        # The pilot of a test waits after each key itself.
        if isinstance(event, Key) and not event.is_forwarded and not self.is_headless:
            self._last_key = time.monotonic()
            self._keystrokes.put(event)
        else:
            await super().on_event(event)

    async def on_mount(self) -> None:
        self.set_interval(_TIDY_EVERY, self._tidy)
        self.services.feed.start()
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())  # after ctrl+z and fg
        await self.switch_mode(self._first_screen())
        if self.options.news:
            self.set_timer(_NEWS_AFTER, partial(self.services.feed.watch_list, self, seldom=True))
        problems = (*self.options.problems, *keys.unknown_ids(self.settings.keys))
        for problem in (*problems, *self.services.saved.problems):
            self.show_message(problem, severity="warning")

    def _tidy(self) -> None:
        """Reap ended trainers, save what the screens show (the app may be killed), and collect garbage.

        A full collection would delay the handling of a key: only while none is pressed.
        """
        self.services.trainers.reap()
        self.save_state()
        if time.monotonic() - self._last_key > _QUIET:
            gc.collect()

    def _first_screen(self) -> ScreenName:
        if self.options.run is not None:
            return "monitor"
        if self.options.screen is not None:
            return self.options.screen
        try:
            some = next(self.options.runs_root.iterdir(), None) is not None
        except OSError:
            some = False
        return "runs" if some else "configure"

    async def _shutdown(self) -> None:
        # As when the app exits by itself: a worker would find the widgets of its screen removed.
        self.workers.cancel_all()
        await super()._shutdown()

    def save_state(self) -> None:
        """Save what the screens show; a failure is reported once."""
        try:
            self.services.saved.save()
        except OSError as error:
            text = f"What the screens show cannot be saved: {error.filename}: {error.strerror or error}"
            if text != self._unsaved:
                self._unsaved = text
                self.show_message(text, severity="warning")

    def on_unmount(self) -> None:
        self.save_state()
        self.services.feed.close()
        if self._inspector is not None:
            self._inspector.close()

    def on_catalogue_changed(self, event: CatalogueChanged) -> None:
        """Show in the header what runs, and report what has ended since."""
        from wmse_tui.tui.run_news import news, running_parts

        self.running = running_parts(event.rows, self.services.feed.last_state)
        if event.problem:
            return  # without any run
        found = news(self._statuses, event.rows, since=self._listed_at)
        self._statuses = {row.path: row.status for row in event.rows}
        if not event.loading:
            self._listed_at = time.time()
        if found:
            self._report(found)

    def _report(self, found: Sequence[News]) -> None:
        """Report news in the ways that the user has set: a run that Monitor shows needs no message."""
        from wmse_tui.tui.run_news import in_short, in_tmux, terminal_notification

        settings, monitored = self.settings, self.services.selection.monitored
        watched = str(monitored.path) if monitored is not None and self.current_mode == "monitor" else ""
        if settings.notices:
            for each in in_short([each for each in found if each.path != watched]):
                self.show_message(each.text, severity=each.severity)
        if settings.bell:
            self.bell()
        if settings.notifications != "off" and self._driver is not None and not self.is_headless:
            for each in in_short(found):
                kind, tmux = settings.notifications, in_tmux(os.environ)
                self._driver.write(terminal_notification(each.text, kind, tmux=tmux))

    def show_message(self, text: str, *, severity: Severity = "information", title: str = "") -> None:
        """Show a notification; each line of `text` is sanitised."""
        shown = "\n".join(safe(line, 600) for line in text.split("\n")[:_MESSAGE_LINES])
        self.notify(shown, title=safe(title, 80), severity=severity, markup=False, timeout=8)

    def on_notify(self, event: Notify) -> None:
        self.messages.append(event.notification)

    # Output

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send what differs from what the terminal shows."""
        shown = self._running and not self._closed and not self.is_headless and not self._batch_count
        if shown and isinstance(renderable, (LayoutUpdate, ChopsUpdate)):
            renderable = self._frame.difference(renderable, *self.size)
        super()._display(screen, renderable)

    def action_redraw(self) -> None:
        """Draw everything again: another program has written to the terminal, or it was suspended."""
        self._frame.forget()
        self.refresh(layout=True)

    # Screens

    def delay_update(self, delay: float = _TRANSITION) -> None:
        """Draw nothing while screens are switched; Textual's 0.05 s would be most of the response time."""
        super().delay_update(min(delay, _TRANSITION))

    async def action_go(self, name: ScreenName) -> None:
        """Show one of the five screens."""
        await self._visit(name)

    async def _visit(self, name: ScreenName) -> None:
        here = self.current_mode
        if here in self.MODES and here != name:
            self._history = [*self._history[1 - _VISITS :], cast("ScreenName", here)]
        await self.switch_mode(name)

    async def action_back(self) -> None:
        """Show the screen before; where Monitor came first, the list of runs."""
        if self._history:
            await self.switch_mode(self._history.pop())
        elif self.current_mode == "monitor":
            await self.switch_mode("runs")

    async def open_run(self, run: RunDirectory) -> None:
        """Show a run in Monitor."""
        from wmse_tui.tui.screens.monitor import MonitorScreen

        self.services.selection.monitored = run
        await self._visit("monitor")
        if isinstance(self.screen, MonitorScreen):
            self.screen.show_chosen()  # it is not resumed where it was the screen already

    async def open_compare(self, runs: Iterable[RunDirectory]) -> None:
        """Show runs side by side."""
        self.services.selection.marked = tuple(runs)
        await self._visit("compare")

    async def open_configure(self, experiment: Experiment, preset: str = "") -> None:
        """Show an experiment in Configure, to edit and launch it; `preset` is its origin."""
        from wmse_tui.tui.screens.configure import ConfigureScreen

        await self._visit("configure")
        if isinstance(self.screen, ConfigureScreen):
            self.screen.show_experiment(experiment, preset)

    # Actions of every screen

    def action_freeze(self) -> None:
        """Freeze or unfreeze the display."""
        self.frozen = not self.frozen

    def watch_frozen(self, frozen: bool) -> None:
        self.services.feed.freeze(frozen)

    def action_next_theme(self) -> None:
        """Cycle through the themes."""
        names = list(NAMES.values())
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.services.saved.change(theme=next(name for name, theme in NAMES.items() if theme == self.theme))

    def action_help(self) -> None:
        """Show the keys of the current screen."""
        from wmse_tui.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    @work
    async def action_leave(self) -> None:
        """Exit; if trainers of this app are active, a dialog first asks what to do with them."""
        from wmse_tui.tui.dialogs import Answer, Choose

        active = self.services.trainers.active()
        answer: str | None = "leave"
        if active:
            if self.screen.is_modal:
                return
            question = Choose[str | None](
                "Leave",
                leave_text(active),
                Answer("leave", "Leave running", "l", "primary"),
                Answer("stop", "Stop", "s", "warning"),
                Answer(None, "Cancel", "escape"),
            )
            answer = await self.push_screen_wait(question)
        if answer == "stop":
            for run in self.services.trainers.active():
                self.services.trainers.ask_stop(run)
        if answer is not None:
            self.exit(0)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action of `screen`, wherever the focus is, and those of the app: for the palette."""
        seen: set[str] = set()
        for node, binding in keys.actions_of(screen):
            if binding.id and binding.id not in seen and binding.action != "command_palette":
                seen.add(binding.id)
                call = partial(self.run_action, binding.action, node)
                yield SystemCommand(binding.description, self._about(binding), call)

    def action_command_palette(self) -> None:
        """Open the palette."""
        if not self.screen.is_modal:
            self._open_palette()

    @work(exclusive=True, group="palette")
    async def _open_palette(self) -> None:
        from wmse_tui.tui.palette import Palette

        palette = Palette(self._palette_actions(self.screen))
        self._fill_palette(palette)
        entry = await self.push_screen_wait(palette)
        if entry is not None:
            result = entry.act()
            if isawaitable(result):
                await result

    def _palette_actions(self, screen: Screen[object]) -> list[PaletteEntry]:
        """The actions of `screen`, then those of the other screens."""
        from wmse_tui.tui.palette import PaletteEntry

        titles = {name: title for _, name, title in SCREENS}
        here = [
            PaletteEntry(command.title, command.help, "action", command.callback)
            for command in self.get_system_commands(screen)
        ]
        return here + [
            PaletteEntry(
                binding.description,
                self._about(binding),
                "action",
                partial(self.act_elsewhere, name, binding),
                titles[name],
            )
            for name, binding in keys.actions_elsewhere(self.current_mode)
        ]

    def _about(self, binding: Binding) -> str:
        """What an action does, and its key."""
        return f"{binding.tooltip or binding.description} ({self.services.keys.name(binding.id or '')})"

    async def act_elsewhere(self, name: ScreenName, binding: Binding) -> None:
        """Show a screen and perform an action of it; of one that must not be at once, show the key."""
        await self._visit(name)
        screen = self.screen
        if isinstance(screen, AppScreen):
            screen.stop_typing()
        screen.call_after_refresh(self._act_on, screen, binding)  # once it knows what is chosen for it

    async def _act_on(self, screen: Screen[object], binding: Binding) -> None:
        found = ((node, each) for node, each in keys.actions_of(screen) if each.id == binding.id)
        node = next((node for node, _ in found), None)
        if node is None:
            self.show_message(f"{binding.description} is not possible here now.", severity="warning")
        elif binding.id in keys.AT_ONCE:
            await self.run_action(binding.action, node)
        else:
            self.show_message(self._about(binding), title=binding.description)

    @work
    async def _fill_palette(self, palette: Palette) -> None:
        """Add the runs, presets and options, which are read in a thread."""
        from wmse_tui.config.titles import preset_titles
        from wmse_tui.tui.palette import PaletteEntry

        runs = await asyncio.to_thread(_runs_or_none, self.options.runs_root)
        entries = [PaletteEntry(run.id, "", "run", partial(self.open_run, run)) for run in runs]
        for name, title in await asyncio.to_thread(preset_titles):
            entries.append(PaletteEntry(name, title, "preset", partial(self._open_preset, name)))
        for field in await asyncio.to_thread(self._edited_options):
            about = f"{field.title}: {field.description}"
            entries.append(PaletteEntry(field.path, about, "option", partial(self._open_option, field.path)))
        if palette.is_attached:
            palette.add(entries)

    def _edited_options(self) -> list[FormField]:
        """The options of the draft that Configure edits, or will edit when it is shown for the first time."""
        from wmse_tui.tui.widgets.configure.preset_library import PresetLibrary

        try:
            library = cast("ConfigureScreen", self.get_screen_stack("configure")[0]).library
        except LookupError:  # it was not shown yet
            library, saved = PresetLibrary(), self.services.saved.current
            library.restore(saved.drafts, saved.configure.entry)
        draft = library.draft
        fields = draft.fields.values() if draft is not None else ()
        return [field for field in fields if not is_metadata(field.path)]

    async def _open_preset(self, name: str) -> None:
        from wmse_tui.tui.screens.configure import ConfigureScreen

        await self._visit("configure")
        if isinstance(self.screen, ConfigureScreen):
            self.screen.show_preset(name)

    async def _open_option(self, path: str) -> None:
        from wmse_tui.tui.screens.configure import ConfigureScreen

        await self._visit("configure")
        if isinstance(self.screen, ConfigureScreen):
            self.screen.reveal(path)

    def _fatal_error(self) -> None:
        """An unhandled error: its traceback goes into a file, one sentence to the terminal."""
        error = self._exception
        if error is None:
            super()._fatal_error()
            return
        self.crash_file = note_crash(error)
        self._close_messages_no_wait()


def _runs_or_none(root: Path) -> tuple[RunDirectory, ...]:
    from wmse_tui.runs.table.catalogue import list_runs

    try:
        return list_runs(root)
    except RunsError:
        return ()


def leave_text(active: tuple[RunDirectory, ...]) -> str:
    """What becomes of the active runs of this app when it is left."""
    names = ", ".join(safe(run.id, 60) for run in active[:6])
    more = f" and {len(active) - 6} more" if len(active) > 6 else ""
    runs, them = "Your runs are", "They continue"
    if len(active) == 1:
        runs, them = "A run of yours is", "It continues"
    return (
        f"{runs} active: {names}{more}.\n\n"
        f"{them} without the app; `wmse-tui attach` shows a run again, from any terminal.\n"
        "Stopping saves a checkpoint first, and a stopped run can be resumed."
    )
