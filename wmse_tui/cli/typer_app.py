"""A group of commands whose help is the docstrings of their functions, also under `python -OO`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import typer


class TyperApp(typer.Typer):
    """Typer's, with help that needs no docstrings in memory."""

    def command(self, *names: Any, **options: Any) -> Callable[[Any], Any]:
        """Add a command."""
        add = super().command(*names, **options)
        return lambda function: add(with_docstring(function))

    def callback(self, *names: Any, **options: Any) -> Callable[[Any], Any]:
        """Set what runs before every command."""
        set_ = super().callback(*names, **options)
        return lambda function: set_(with_docstring(function))


def with_docstring(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with the docstring of its source where the interpreter has dropped it."""
    if function.__doc__ is None:
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, SyntaxError):  # the sources are not installed
            return function
        definition = tree.body[0]
        if isinstance(definition, ast.FunctionDef):
            function.__doc__ = ast.get_docstring(definition)
    return function
