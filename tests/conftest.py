"""What every test has: a queue of its own session, so that nobody's real one is seen or touched."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trainers of tests take their slots here; tests of the queue have one each."""
    before = os.environ.get("WMSE_TUI_QUEUE")
    os.environ["WMSE_TUI_QUEUE"] = str(tmp_path_factory.mktemp("queue", numbered=True))
    yield
    if before is None:
        del os.environ["WMSE_TUI_QUEUE"]
    else:
        os.environ["WMSE_TUI_QUEUE"] = before
