"""The errors of this package: a drawn tree that is the real one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from wmse_tui.runs import errors


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    real = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.RunsError) and value is not errors.RunsError
    }
    assert drawn == real


def test_an_error_reads_title_then_detail() -> None:
    error = errors.RunsError("what happened", "where", next=("do this",))
    assert (str(error), error.title, error.detail, error.next) == (
        "what happened: where", "what happened", "where", ("do this",)
    )  # fmt: skip
    assert str(errors.RunsError("what happened")) == "what happened"


@pytest.mark.parametrize("number", errors.SYSTEM_STEPS)
def test_an_error_of_the_system_has_a_next_step(number: int) -> None:
    refused = OSError(number, os.strerror(number))
    error = errors.StorageError.of("write it", Path("/a/b"), refused)
    assert (error.detail, error.next) == (f"/a/b: {os.strerror(number)}", (errors.SYSTEM_STEPS[number],))
    assert errors.StorageError.of("write it", Path("/a/b"), refused, next=("do this",)).next == ("do this",)
