"""The functions that a notebook may import: each has an example in its docstring, and it runs."""

from __future__ import annotations

import doctest
import inspect

import pytest

from wmse_tui.engine import evaluation, losses, whitening

FUNCTIONS = {
    f"{package.__name__.rpartition('.')[2]}.{name}": getattr(package, name)
    for package in (losses, whitening, evaluation)
    for name in package.__all__
    if inspect.isfunction(getattr(package, name))
}


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_public_function_has_an_example_that_runs(path: str) -> None:
    """An example is complete: it sees its own function and what it imports, and nothing else."""
    function, name = FUNCTIONS[path], path.rpartition(".")[2]
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(function, name, module=False, globs={name: function})
    assert example.examples, f"{path} has no example in its docstring"
    assert doctest.DocTestRunner().run(example).failed == 0
