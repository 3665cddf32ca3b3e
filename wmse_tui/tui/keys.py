"""Which binding ids there are, so that a settings file that names another one can be told so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.binding import Binding
from textual.dom import DOMNode

from wmse_tui.config.problems import did_you_mean


def known_ids() -> frozenset[str]:
    """The ids of all bindings of the app (imported by its caller), its screens and their widgets.

    Imports every screen.
    """
    from wmse_tui.tui.screens import compare, configure, monitor, paper, runs  # noqa: F401

    classes = [cls for cls in _subclasses(DOMNode) if cls.__module__.startswith("wmse_tui.")]
    bindings = [binding for cls in classes for binding in cls.__dict__.get("BINDINGS", ())]
    return frozenset(b.id for b in bindings if isinstance(b, Binding) and b.id)


def unknown_ids(keymap: Mapping[str, str], known: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each id of the keymap that no binding has."""
    ids = sorted(known)
    return tuple(
        f"keys: no binding is called {name!r}; {did_you_mean(name, ids) or '`?` shows the names of a screen'}"
        for name in keymap
        if name not in ids
    )


def _subclasses(cls: type[DOMNode]) -> set[type[DOMNode]]:
    found = set(cls.__subclasses__())
    return found.union(*map(_subclasses, found))
