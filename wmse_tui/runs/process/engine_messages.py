"""What `wmse_tui.engine.commands` prints: JSON lines, the last of which is its result or its error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def engine_messages(lines: Iterable[bytes | str]) -> Iterator[dict[str, Any]]:
    """The objects among the lines: {"progress": ...}, {"result": ...} or {"error": ...}."""
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
