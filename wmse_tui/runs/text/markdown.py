"""Text and tables in GitHub's Markdown; what a file holds is shown there, never interpreted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wmse_tui.runs.text.sanitize import safe

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~$&]")


def markdown_text(text: str) -> str:
    """`text` in one line, with what Markdown would interpret escaped."""
    return _SPECIAL.sub(r"\\\g<0>", safe(text))


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of escaped cells, with a line break at its end."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(map(markdown_text, line))} |\n" for line in lines)


def code_block(lines: Sequence[str]) -> str:
    """Lines as they are, behind a fence that none of them closes."""
    shown = [safe(line) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("~+", line)), default=0)
    fence = "~" * max(3, longest + 1)
    return "\n".join((fence, *shown, fence))
