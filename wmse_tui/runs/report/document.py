"""A report as blocks, whatever format it is then written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wmse_tui.runs.state.curves import Curve


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 2 is a section, 3 a part of one."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class PlainText:
    """A paragraph of plain text; `tone` is that of a status, or empty."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading, all of one length; `right`: the columns of numbers, from 0."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Curves over one axis, and values of y that mean something by themselves."""

    title: str
    unit: str
    x_title: str
    curves: Sequence[Curve]
    references: Sequence[tuple[float, str]] = ()
    log: bool = False

    @property
    def caption(self) -> str:
        """The title, with the unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of a program or of a shell."""

    lines: Sequence[str]


Block: TypeAlias = Heading | PlainText | Table | Figure | Code


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """A title and blocks; the text in them is of any origin, and each format escapes it."""

    title: str
    blocks: Sequence[Block]
