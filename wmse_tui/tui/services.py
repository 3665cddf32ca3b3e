"""What the app provides to its screens, widgets and dialogs; they know this module, not the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from textual.app import App
from textual.message_pump import MessagePump
from textual.reactive import reactive

from wmse_tui.config.schema import Experiment
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.tui.feed import Feed
from wmse_tui.tui.keys import KeyNames
from wmse_tui.tui.launching import Trainers
from wmse_tui.tui.refresh import RefreshRates
from wmse_tui.tui.saved_state import SavedState
from wmse_tui.tui.screen_names import ScreenName

if TYPE_CHECKING:
    from wmse_tui.tui.inspector import Inspector

Severity = Literal["information", "warning", "error"]


class Notify(Protocol):
    """Shows a short message in the corner; the text may come from anywhere, it is sanitised."""

    def __call__(self, text: str, *, severity: Severity = "information", title: str = "") -> None: ...


class OpenConfigure(Protocol):
    """Shows an experiment in Configure; `preset` is the name of the preset that it was made from."""

    def __call__(self, experiment: Experiment, preset: str = "") -> Awaitable[None]: ...


@dataclass(slots=True)
class Selection:
    """The runs that one screen chooses for another.

    Attributes:
        marked: the runs that Compare shows.
        monitored: the run that Monitor shows.
        job_options: the options of `sbatch` that were typed last.
    """

    marked: tuple[RunDirectory, ...] = ()
    monitored: RunDirectory | None = None
    job_options: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What screens may use of the app.

    Attributes:
        runs_root: the folder of run directories.
        rates: how often the screen may change.
        ascii: only ASCII may be drawn.
        keys: the keys of the actions, for texts.
        feed: posts the state of runs, and the list of runs, to screens.
        trainers: starts trainers, and knows which of them this app started.
        selection: the runs chosen for Monitor and Compare.
        saved: what the screens show, which survives quitting.
        notify: shows a short message.
        inspector: the process that answers what needs torch; started by the first call.
        stop_inspector: lets that process end, with the memory it holds; the next question starts another.
        show: shows one of the five screens.
        open_run: shows a run in Monitor.
        open_compare: shows runs side by side.
        open_configure: shows an experiment in Configure.
    """

    runs_root: Path
    rates: RefreshRates
    ascii: bool
    keys: KeyNames
    feed: Feed
    trainers: Trainers
    selection: Selection = field(default_factory=Selection)
    saved: SavedState = field(default_factory=SavedState)
    notify: Notify
    inspector: Callable[[], Inspector]
    stop_inspector: Callable[[], None]
    show: Callable[[ScreenName], Awaitable[None]]
    open_run: Callable[[RunDirectory], Awaitable[None]]
    open_compare: Callable[[Iterable[RunDirectory]], Awaitable[None]]
    open_configure: OpenConfigure


class ServicesApp(App[int]):
    """An app with services.

    Attributes:
        services: what screens may use.
        frozen: the display is frozen; newer states wait in the feed.
        running: what the header says of the runs that train, the most important first.
    """

    services: Services
    frozen: reactive[bool] = reactive(False)
    running: reactive[tuple[str, ...]] = reactive(())

    @property
    def ascii(self) -> bool:
        """Whether only ASCII may be drawn; charts, which work in any app, read this attribute."""
        return self.services.ascii


def app_of(node: MessagePump) -> ServicesApp:
    """The app that `node` (a screen or widget) belongs to."""
    app = node.app
    assert isinstance(app, ServicesApp)
    return app


def services_of(node: MessagePump) -> Services:
    """The services of the app that `node` (a screen or widget) belongs to."""
    return app_of(node).services


@contextmanager
def errors_shown(services: Services) -> Iterator[None]:
    """Show the error of a run that ends the block, and what to do about it."""
    try:
        yield
    except RunsError as error:
        text = "\n".join((error.detail, *error.next)).strip()
        services.notify(text, title=error.title, severity="error")
