"""Every action with a key, as a row of data: the screens' bindings, help, palette and texts read these rows.

A row is the key (or several, the usual one first), Textual's action, a label, the id by which a settings file
gives the action another key, a sentence of help, and FOOTER where the bottom of the screen shows the key.
Texts name ids: "Mark runs with {key:runs-mark}", filled in by KeyNames.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from textual.actions import parse
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.keys import key_to_character
from textual.screen import Screen
from textual.widget import Widget

from wmse_tui.config.problems import did_you_mean
from wmse_tui.tui.screen_names import SCREENS, ScreenName

FOOTER = "footer"
_CURSOR_KEYS = ("up", "down", "left", "right", "home", "end", "pageup", "pagedown")
MOVING = frozenset((*"hjklgG", "enter", "escape", "space", "tab", "delete", *_CURSOR_KEYS))
"""Keys that move, or act on what is under the cursor; every other one has the same label on all screens."""
_NAMES = {
    "enter": "Enter",
    "escape": "Escape",
    "space": "Space",
    # Textual's own names, of which it does not know the characters.
    "slash": "/",
    "backslash": "\\",
    "at": "@",
    "plus": "+",
    "minus": "-",
    "underscore": "_",
}
_IN_TEXT = re.compile(r"\{key:([a-z-]+)\}")


def bindings(*rows: tuple[str, ...]) -> list[BindingType]:
    """Textual's bindings of rows as described above; missing fields at the end of a row are empty."""
    return [_binding(*row) for row in rows]


def _binding(
    key: str, action: str, label: str = "", name: str = "", help_: str = "", shown: str = ""
) -> Binding:
    first = key.split(",")[0]
    display = "esc" if first == "escape" else key_name(first)
    return Binding(
        key,
        action,
        label,
        id=name or None,
        tooltip=help_,
        show=shown == FOOTER,
        key_display=None if "+" in first or display == key else display,
    )


def key_name(key: str) -> str:
    """The printed name of a key: `slash` is /."""
    character = key_to_character(key)
    if character is not None and character.isprintable() and not character.isspace():
        return character
    return _NAMES.get(key, key)


# Movement in lists and dialogs: the letters of vi beside the arrows; without an id, so not configurable.
VI_ARROWS = bindings(("j", "app.simulate_key('down')"), ("k", "app.simulate_key('up')"))
LIST = bindings(
    ("j", "cursor_down", "Down"), ("k", "cursor_up", "Up"), ("g", "first", "First"), ("G", "last", "Last")
)
# With priority over the list's own bindings, where both Enter and Space toggle.
PICKER: list[BindingType] = [
    Binding("enter", "accept", priority=True, show=False),
    Binding("space", "mark", priority=True, show=False),
]
SCROLL = bindings(
    ("j", "scroll_down", "Down"),
    ("k", "scroll_up", "Up"),
    ("g", "scroll_home", "Top"),
    ("G", "scroll_end", "Bottom"),
)

# fmt: off
APP = bindings(
    *((key, f"go('{name}')", title, f"go-{name}", f"Show the {title} screen")
      for key, name, title in SCREENS),
    ("question_mark,f1", "help", "Help", "help", "The keys of this screen", FOOTER),
    ("ctrl+p", "command_palette", "Palette", "palette", "Find an action, run, preset or option by its name"),
    ("F", "freeze", "Freeze", "freeze", "Freeze the display, or resume it"),
    ("ctrl+t", "next_theme", "Theme", "theme", "Next theme: dark, light, terminal"),
    ("ctrl+l", "redraw", "Redraw", "redraw", "Draw the whole screen again"),
    ("Z,ctrl+z", "suspend_process", "Suspend", "suspend", "Suspend the app; the shell's `fg` shows it again"),
    ("escape", "back", "Back", "back", "Back to the screen before"),
    ("q,ctrl+q,ctrl+c", "leave", "Quit", "quit", "Leave the app; trainers continue", FOOTER),
)

# Configure

CONFIGURE = bindings(
    ("ctrl+r,f5", "launch", "Launch", "configure-launch", "Start the run and watch it", FOOTER),
    ("B,f6", "launch('detached')", "Launch detached", "configure-launch-detached",
     "Start the run and stay here; leaving the app does not ask about it"),
    ("Q", "launch('queued')", "Queue", "configure-queue",
     "Queue the run and stay here; it starts when a slot is free"),
    ("number_sign", "sweep", "Sweep", "configure-sweep",
     "Queue a run for each combination of some values; shows their number and cost first", FOOTER),
    ("at", "images", "Images", "configure-images", "Set up a run on a folder of your own images"),
    ("s", "save", "Save", "configure-save", "Save as a preset of your own", FOOTER),
    ("o", "load", "Open", "configure-load", "Load a configuration file, or that of a run's folder"),
    ("dollar_sign", "command", "Command", "configure-command",
     "Copy and show the command line that starts the same run"),
    ("I", "name", "Name", "configure-name", "Give the next run a name"),
    ("equals_sign,delete", "reset", "Reset", "configure-reset", "Reset this field to the preset's value"),
    ("X", "reset_all", "Reset all fields", "configure-reset-all", "Reset every field to the preset's value"),
    ("i", "describe", "Describe", "configure-describe",
     "Parameters, GFLOP and memory; loads torch in a process of its own"),
    ("b", "measure", "Measure", "configure-measure",
     "Time a few real steps on this machine; estimates an epoch and the run", FOOTER),
    ("V", "views", "Views", "configure-views", "Draw augmented views; again: of other images", FOOTER),
    ("slash", "filter", "Find", "configure-filter", "Show the presets that match some words", FOOTER),
    ("u", "undo", "Undo", "configure-undo", "Take back the last change of this preset"),
    ("ctrl+z", "undo_or_suspend", "Undo", "configure-undo-or-suspend", "Undo; suspend if nothing is left"),
    ("Y", "apply", "Apply", "configure-apply", "Set what advice proposes: on this field, or the first"),
    ("asterisk", "show_all", "All", "configure-all",
     "Show also the options that have no effect here, or hide them again"),
    ("exclamation_mark", "next_problem", "Next problem", "configure-problem",
     "Go to the next field with a problem or a warning"),
    ("pagedown,right_square_bracket", "section(1)", "Next", "configure-next-section",
     "Show the next section"),
    ("pageup,left_square_bracket", "section(-1)", "Previous", "configure-previous-section",
     "Show the previous section"),
    ("right,l", "part(1)", "Next part", "configure-forward", "Forward: presets, sections, fields, results"),
    ("left,h,escape", "part(-1)", "Previous part", "configure-back",
     "Back: results, fields, sections, presets"),
)
PRESET_FILTER = bindings(
    ("escape", "clear", "Show all", "presets-filter-clear", "Show all presets again"),
    ("down", "leave", "To the list", "presets-filter-leave", "Go to the list"),
)
FORM = bindings(
    ("up,k", "step(-1)", "Previous field", "form-previous"),
    ("down,j", "step(1)", "Next field", "form-next"),
    ("home,g", "jump(0)", "First field", "form-first"),
    ("end,G", "jump(-1)", "Last field", "form-last"),
)
FIELD = bindings(
    ("enter", "begin", "Edit", "field-edit", "Type a value, or choose one from a list"),
    ("less_than_sign", "cycle(-1)", "Previous value", "field-previous", "The previous choice"),
    ("greater_than_sign", "cycle(1)", "Next value", "field-next", "The next choice"),
    ("space", "cycle(1)", "Next value", "field-toggle", "The next choice"),
)
PATH_INPUT = bindings(("tab", "complete", "Complete"))
FIELD_EDITOR = bindings(
    ("tab", "complete", "Complete", "field-complete", "Complete a path; elsewhere the next part"),
    ("escape", "cancel", "Cancel", "field-cancel", "Stop typing; the value does not change"),
)

# Monitor

MONITOR = bindings(
    ("enter", "newest", "Continue", "watch-newest", "Watch the newest run, or configure the first", FOOTER),
    ("tab", "cycle(1)", "Panel", "pane-next", "The next panel", FOOTER),
    ("shift+tab", "cycle(-1)", "Previous panel", "pane-previous", "The previous panel"),
    ("P", "pane('plots')", "Plots", "pane-plots", "Panel Plots"),
    ("W", "pane('whitening')", "Whitening", "pane-whitening", "Panel Whitening; again: the other embeddings"),
    ("M", "pane('map')", "Map", "pane-map", "Panel Map"),
    ("U", "pane('usage')", "Usage", "pane-usage", "Panel Usage"),
    ("L", "pane('log')", "Log", "pane-log", "Panel Log"),
    ("O", "pane('output')", "Output", "pane-output", "Panel Output"),
    ("E", "pane('evaluations')", "Evaluations", "pane-evaluations", "Panel Evaluations"),
    ("C", "pane('config')", "Config", "pane-config", "Panel Config"),
    ("m", "maximise", "Maximise", "maximise", "Maximise a panel or plot, or restore the layout", FOOTER),
    ("v", "quantity", "Quantity", "plot-what", "Choose what the selected plot draws, or up to four", FOOTER),
    ("H", "plot('axis')", "X axis", "plot-axis", "X by epoch, step or hours"),
    ("y", "plot('log')", "Log y", "plot-log", "Logarithmic y in the selected plot, or linear"),
    ("z", "plot('recent')", "Zoom", "plot-zoom", "The recent part: half, a fifth, a twentieth, all"),
    ("a", "plot('smoothing')", "Smooth", "plot-smooth",
     "Smooth losses and speeds: more and more, not at all"),
    ("c", "overlay", "Compare", "plot-overlay", "Draw other runs beside this one"),
    ("slash", "search", "Find", "search-log", "Search in the lines, or in the log", FOOTER),
)
RUN = bindings(
    ("S", "stop", "Stop", "run-stop", "Save a checkpoint and stop now (asks first)", FOOTER),
    ("T", "ask('stop_after_epoch')", "Stop after epoch", "run-stop-after-epoch",
     "Save and stop when this epoch is done"),
    ("p", "pause", "Pause", "run-pause", "Pause the training, or continue it", FOOTER),
    ("s", "ask('checkpoint')", "Save", "run-checkpoint", "Save a checkpoint now"),
    ("e", "evaluate", "Evaluate", "run-evaluate",
     "Evaluate the encoder now; after training, its checkpoint in a process of its own"),
    ("K", "neighbours", "Neighbours", "run-neighbours",
     "Test images with their nearest training images; computed once, in a process of its own"),
    ("r", "resume", "Resume", "run-resume", "Resume a stopped or crashed run", FOOTER),
    ("d", "duplicate", "Duplicate", "run-duplicate",
     "Open the run's configuration in Configure, for another run", FOOTER),
    ("f", "folder", "Folder", "run-folder", "Show and copy the path of the run's folder"),
    ("x", "export", "Export", "run-export",
     "Export the encoder, its features or the whole run to a file"),
    ("w", "screenshot", "Write", "screenshot", "Write what is on the screen to an SVG file"),
    ("left_square_bracket", "neighbour(-1)", "Previous", "run-newer", "Show the next newer run"),
    ("right_square_bracket", "neighbour(1)", "Next", "run-older", "Show the next older run"),
)
PLOTS = bindings(
    ("up,k", "select(-1)", "Previous plot", "plot-previous"),
    ("down,j", "select(1)", "Next plot", "plot-next"),
)
X_NAVIGATION = bindings(  # of all charts, in Monitor and in Compare
    ("left,h", "cursor(-1)", "Cursor left", "plot-cursor-left", "Values and diagnostics further left"),
    ("right,l", "cursor(1)", "Cursor right", "plot-cursor-right", "Values and diagnostics further right"),
    ("plus", "magnify(0.5)", "Zoom in", "plot-zoom-in", "Half of x, around the cursor"),
    ("minus", "magnify(2)", "Zoom out", "plot-zoom-out", "Twice as much of x"),
    ("shift+left", "pan(-1)", "Far left", "plot-pan-left", "An earlier part of x"),
    ("shift+right", "pan(1)", "Far right", "plot-pan-right", "A later part of x"),
    ("escape", "whole", "Whole run", "plot-whole", "Show all of x again, without a cursor"),
)
WHITENING = bindings(
    ("up,k", "number(-1)", "Previous number", "whitening-previous"),
    ("down,j", "number(1)", "Next number", "whitening-next"),
    ("i", "describe", "Describe", "whitening-describe",
     "What this number means, what it should be, and what to try when it is bad", FOOTER),
    ("escape", "close_description", "All numbers", "whitening-numbers", "Show all numbers again"),
    ("pagedown", "scroll_text(1)", "Page down", "whitening-page-down"),
    ("pageup", "scroll_text(-1)", "Page up", "whitening-page-up"),
)
MAP = bindings(
    ("up,k", "class(-1)", "Previous class", "map-previous", "The class before, above the others"),
    ("down,j", "class(1)", "Next class", "map-next", "One class after the other, above the others"),
    ("escape", "all_classes", "All classes", "map-all", "All classes alike again"),
)
MOMENTS = bindings(  # of the panels Whitening and Map
    ("left,h", "moment(-1)", "Earlier", "moment-earlier", "Show what was saved before, in all panels"),
    ("right,l", "moment(1)", "Later", "moment-later", "Show what was saved next, in all panels"),
    ("shift+left", "moment(-10)", "Far left", "moment-far-earlier", "Ten samples or maps back"),
    ("shift+right", "moment(10)", "Far right", "moment-far-later", "Ten samples or maps forward"),
    ("home,g", "first_moment", "First", "moment-first", "The first sample or map"),
    ("end,G,escape", "newest_moment", "Newest", "moment-newest", "The newest again, in all panels"),
)
TEXT_PANEL = bindings(
    ("slash", "search", "Find", "search", "Search in these lines", FOOTER),
    ("n", "step(1)", "Next match", "search-next", "The next match"),
    ("N", "step(-1)", "Previous match", "search-previous", "The previous match"),
    ("escape", "clear", "End search", "search-end", "End the search"),
)
TEXT_LINES = bindings(
    ("down,j", "scroll_down", "Down", "lines-down", "One line down"),
    ("up,k", "scroll_up", "Up", "lines-up", "One line up"),
    ("pagedown", "page_down", "Page down", "lines-page-down"),
    ("pageup", "page_up", "Page up", "lines-page-up"),
    ("home,g", "first", "First line", "lines-first", "To the first line"),
    ("end,G", "last", "Last line", "lines-last", "To the last line, and follow new ones"),
)

# Runs

RUNS = bindings(
    ("enter", "open", "Monitor", "runs-open", "Watch the run under the cursor", FOOTER),
    ("c", "compare", "Compare", "runs-compare", "Compare the marked runs, up to eight", FOOTER),
    ("S", "stop(False)", "Stop", "runs-stop",
     "Save and stop runs; remove queued ones from the queue", FOOTER),
    ("T", "stop(True)", "Stop after epoch", "runs-stop-after-epoch", "Finish the epoch, save and stop"),
    ("r", "resume", "Resume", "runs-resume", "Resume runs that have not completed", FOOTER),
    ("Q", "queue", "Queue", "runs-queue",
     "Resume runs when a slot is free; also those that lost their position in the queue"),
    ("p", "hold", "Pause", "runs-hold", "Hold queued runs, or release held ones"),
    ("circumflex_accent", "first", "First", "runs-queue-first", "Put queued runs before all others"),
    ("D,delete", "delete", "Delete", "runs-delete", "Delete runs, after a question"),
    ("t", "tag", "Tag", "runs-tag", "Give runs tags, or remove them"),
    ("A", "note", "Note", "runs-note", "Write a note"),
    ("u", "undo", "Undo", "runs-undo", "Take back the last change of tags or notes"),
    ("ctrl+z", "undo_or_suspend", "Undo", "runs-undo-or-suspend", "Undo; suspend if nothing is left"),
    ("d", "duplicate", "Duplicate", "runs-duplicate", "Open the run's configuration in Configure"),
    ("x", "export", "Export", "runs-export",
     "Export the encoder, its features or the whole run to a file"),
    ("f", "copy_path", "Folder", "runs-copy-path", "Copy the run's path"),
)
RUN_BOARD = bindings(
    ("slash", "find", "Find", "runs-filter", "Filter the list", FOOTER),
    ("space", "mark", "Mark", "runs-mark", "Mark the run, or unmark it", FOOTER),
    ("v", "columns", "Quantity", "runs-columns", "Choose the columns of the list: also any option or result"),
    ("J", "group", "Join seeds", "runs-group",
     "Group the runs by seed (repetitions of one experiment), by sweep, by tag, or not; Enter folds a group"),
    ("asterisk", "mark_all", "All", "runs-mark-all", "Mark all shown"),
    ("tilde", "invert", "Invert", "runs-invert", "Invert the marks"),
    ("underscore", "unmark", "Unmark all", "runs-unmark", "Remove all marks"),
    ("full_stop,l,right", "sort(1)", "Sort", "runs-sort", "Sort by the next column"),
    ("comma,h,left", "sort(-1)", "Sort back", "runs-sort-back", "Sort by the previous column"),
    ("R", "reverse", "Reverse", "runs-turn", "Sort in the other direction"),
    ("escape", "show_all", "Show all", "runs-show-all", "Drop the filter"),
)
RUN_FINDER = bindings(
    ("escape", "clear", "Show all", "runs-filter-clear", "Show every run"),
    ("down", "accept", "To the list", "runs-filter-accept", "Go to the list"),
)
RUN_TABLE = bindings(
    ("down,j", "move(1)", "Down", "runs-down", "The next run"),
    ("up,k", "move(-1)", "Up", "runs-up", "The previous run"),
    ("g,home", "move_to(0)", "First", "runs-first", "The first run"),
    ("G,end", "move_to(-1)", "Last", "runs-last", "The last run"),
    ("pagedown,ctrl+d", "page(1)", "Page down", "runs-page-down", "A screen down"),
    ("pageup,ctrl+u", "page(-1)", "Page up", "runs-page-up", "A screen up"),
)

# Compare

COMPARE = bindings(
    ("v", "quantity", "Quantity", "plot-what", "Choose what is drawn: one quantity, or up to four", FOOTER),
    ("J", "join", "Join seeds", "compare-join",
     "Runs that differ in the seed only as one curve with mean and deviation, or each by itself"),
    ("H", "cycle('axis')", "X axis", "plot-axis", "X by epoch, step or hours", FOOTER),
    ("y", "cycle('log_y')", "Log y", "plot-log", "Logarithmic y, or linear"),
    ("z", "cycle('recent')", "Zoom", "plot-zoom", "The recent part: half, a fifth, a twentieth, all"),
    ("a", "cycle('smoothing')", "Smooth", "plot-smooth",
     "Smooth losses and speeds: more and more, not at all"),
    ("tab", "table", "Table", "compare-table", "Results, options that differ, seeds, transfer", FOOTER),
    ("full_stop", "sort(1)", "Sort", "compare-sort", "Sort the results by the next column"),
    ("comma", "sort(-1)", "Sort back", "compare-sort-back", "Sort the results by the previous column"),
    ("R", "reverse", "Reverse", "compare-turn", "Sort the results in the other direction"),
    ("c", "choose", "Compare", "compare-choose", "Choose which runs are compared", FOOTER),
    ("delete", "drop", "Drop", "compare-drop", "Drop the run at the cursor", FOOTER),
    ("enter", "open", "Monitor", "compare-open", "Watch the run at the cursor"),
    ("w", "export", "Write", "compare-export", "Write CSV, JSON, Markdown or LaTeX", FOOTER),
)
# Paper

PAPER = bindings(
    ("enter", "launch", "Launch", "paper-launch", "Launch this recipe; asks first", FOOTER),
    ("d", "configure", "Duplicate", "paper-configure", "Open this recipe in Configure", FOOTER),
    ("o", "monitor", "Open", "paper-monitor", "Show the best own run in Monitor", FOOTER),
    ("c", "compare", "Compare", "paper-compare", "Compare the own runs of this recipe", FOOTER),
)

# Tables, of Compare and Paper

TABLE = bindings(
    ("up,k", "move(-1)", "Up", "table-up", "One row up"),
    ("down,j", "move(1)", "Down", "table-down", "One row down"),
    ("left,h", "move_column(-1)", "Left", "table-left", "The previous column"),
    ("right,l", "move_column(1)", "Right", "table-right", "The next column"),
    ("g,home", "first", "First", "table-first", "The first row or cell"),
    ("G,end", "last", "Last", "table-last", "The last row or cell"),
    ("pageup", "page(-1)", "Page up", "table-page-up", "A page up"),
    ("pagedown", "page(1)", "Page down", "table-page-down", "A page down"),
)
# fmt: on

GROUPS: Mapping[str, str] = {
    "run-": "This run",
    "runs-": "Runs",
    "paper-": "This recipe",
    "compare-": "Comparison",
    "configure-": "Configuration",
    "field-": "Fields",
    "plot-": "Plots",
    "watch-": "This run",
    "whitening-": "Whitening",
    "map-": "Map",
    "moment-": "Whitening and Map",
    "pane-": "Panels",
    "search": "Search",
    "presets-": "Presets",
    "form-": "Move",
    "lines-": "Move",
    "table-": "Move",
    "go-": "Screens",
    "": "Everywhere",
}
"""Titles of the groups of the help, by the beginnings of binding ids."""
_MOVES = frozenset(f"runs-{name}" for name in ("up", "down", "first", "last", "page-up", "page-down"))


def group_of(binding: str) -> str:
    """The title of the group of a binding id."""
    if binding in _MOVES:
        return "Move"
    return next(title for beginning, title in GROUPS.items() if binding.startswith(beginning))


_ACTIONS_OF: Mapping[ScreenName, tuple[list[BindingType], ...]] = {
    "configure": (CONFIGURE,),
    "monitor": (MONITOR, RUN),
    "runs": (RUNS, RUN_BOARD),
    "compare": (COMPARE,),
    "paper": (PAPER,),
}
KEYS_OF: Mapping[str, tuple[list[BindingType], ...]] = {
    "everywhere": (APP,),
    "configure": (*_ACTIONS_OF["configure"], PRESET_FILTER, FORM, FIELD, FIELD_EDITOR),
    "monitor": (
        *_ACTIONS_OF["monitor"],
        PLOTS,
        X_NAVIGATION,
        WHITENING,
        MAP,
        MOMENTS,
        TEXT_PANEL,
        TEXT_LINES,
    ),
    "runs": (*_ACTIONS_OF["runs"], RUN_FINDER, RUN_TABLE),
    "compare": (*_ACTIONS_OF["compare"], X_NAVIGATION, TABLE),
    "paper": (*_ACTIONS_OF["paper"], TABLE),
}
"""The rows of each screen and of its widgets, and those that work everywhere."""

AT_ONCE = frozenset(
    [
        *(f"configure-{name}" for name in ("sweep", "images", "save", "load", "command", "name", "describe")),
        *(f"configure-{name}" for name in ("measure", "views", "filter", "all", "problem")),
        *(f"pane-{name}" for name in ("plots", "whitening", "map", "usage", "log", "output", "evaluations")),
        *(
            "pane-config",
            "pane-next",
            "pane-previous",
            "watch-newest",
            "maximise",
            "search-log",
            "screenshot",
        ),
        *(f"plot-{name}" for name in ("what", "axis", "log", "zoom", "smooth", "overlay")),
        *(f"run-{name}" for name in ("neighbours", "duplicate", "folder", "export", "newer", "older")),
        *(f"runs-{name}" for name in ("filter", "columns", "group", "sort", "sort-back", "turn")),
        *(f"compare-{name}" for name in ("join", "table", "sort", "sort-back", "turn", "choose", "export")),
    ]
)
"""Actions that may be performed on a screen the moment it is shown: they change what is shown, or ask first.
Others start, stop or change something, or act on what is under a cursor that was not in sight."""

_USUAL: dict[str, str] = {
    binding.id: binding.key
    for tables in KEYS_OF.values()
    for table in tables
    for binding in table
    if isinstance(binding, Binding) and binding.id
}


class KeyNames:
    """The names of the keys according to the user's settings.

    Args:
        keymap: binding ids and the keys that replace the usual ones.
    """

    def __init__(self, keymap: Mapping[str, str]) -> None:
        self._keymap = dict(keymap)

    def name(self, binding: str) -> str:
        """The first key of a binding id; KeyError: there is no such id."""
        return key_name(self._keymap.get(binding, _USUAL[binding]).split(",")[0].strip())

    def fill(self, text: str) -> str:
        """`text` with each `{key:some-id}` replaced by the key of that id."""
        return _IN_TEXT.sub(lambda found: self.name(found[1]), text)


USUAL_NAMES = KeyNames({})
"""The keys without changes by the settings."""


def unknown_ids(keymap: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each id of the keymap that no binding has."""
    names, shown = sorted(_USUAL), KeyNames(keymap).name("help")
    return tuple(
        f"keys: no binding is called {name!r}; {did_you_mean(name, names) or f'`{shown}` shows the names'}"
        for name in keymap
        if name not in _USUAL
    )


def actions_of(screen: Screen[Any]) -> Iterator[tuple[DOMNode, Binding]]:
    """The actions that `screen` offers now, each with the node that performs it.

    First those of the focused widget, then of its parents up to the app, then of other visible widgets. If
    several visible widgets have one type (the rows of a form), only those of the focused one are included.
    """
    line = [*(screen.focused.ancestors_with_self if screen.focused is not None else (screen, screen.app))]
    if screen.is_modal:
        line = line[: line.index(screen) + 1]
    shown = [node for node in screen.walk_children(Widget) if node.is_on_screen and node not in line]
    kinds = Counter(map(type, shown)) + Counter(map(type, line))
    for node in (*line, *(node for node in shown if kinds[type(node)] == 1)):
        for binding in _declared(type(node)):
            _, name, parameters = parse(binding.action)
            if node.check_action(name, parameters):
                yield node, binding


def actions_elsewhere(shown: str) -> Iterator[tuple[ScreenName, Binding]]:
    """The actions of the screens but `shown`, each with its screen, one of a label, without pure movement."""
    for screen in (name for name in _ACTIONS_OF if name != shown):
        labels: set[str] = set()
        for binding in chain.from_iterable(_ACTIONS_OF[screen]):
            assert isinstance(binding, Binding)
            moves = binding.key.split(",")[0] in (*_CURSOR_KEYS, "escape")
            if binding.id and not moves and binding.description not in labels:
                labels.add(binding.description)
                yield screen, binding


def _declared(cls: type[DOMNode]) -> Iterator[Binding]:
    for base in cls.__mro__:
        for binding in base.__dict__.get("BINDINGS", ()):
            if isinstance(binding, Binding):
                yield binding
