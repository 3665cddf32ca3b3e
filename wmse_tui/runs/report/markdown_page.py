"""A report as GitHub's Markdown: the same without figures."""

from __future__ import annotations

from collections.abc import Sequence

from wmse_tui.runs.report.document import Block, Code, Figure, Heading, PlainText, ReportDocument, Table
from wmse_tui.runs.text.markdown import code_block, markdown_table, markdown_text


def markdown_page(document: ReportDocument) -> str:
    """The whole file, as text."""
    blocks = [_block(block) for block in _with_content(document.blocks)]
    return "\n\n".join((f"# {markdown_text(document.title)}", *(block for block in blocks if block))) + "\n"


def _with_content(blocks: Sequence[Block]) -> list[Block]:
    """Without figures, and without the headings under which nothing else is."""
    rest = [block for block in blocks if not isinstance(block, Figure)]
    return [
        block
        for place, block in enumerate(rest)
        if not isinstance(block, Heading)
        or (place + 1 < len(rest) and not _ends_section(block, rest[place + 1]))
    ]


def _ends_section(heading: Heading, following: Block) -> bool:
    return isinstance(following, Heading) and following.level <= heading.level


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {markdown_text(text)}"
        case PlainText(text, _):
            return markdown_text(text)
        case Code(lines):
            return code_block(lines)
        case Table():
            return markdown_table(block.heading, block.rows).rstrip("\n")
        case Figure():
            return ""
