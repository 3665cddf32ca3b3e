"""Strict YAML: plain data with its line numbers, or an error with its line.

Narrower than YAML: at most 64 KiB, no anchors, aliases or tags, no key twice, keys are text,
no infinity and no NaN. Scalars are those of YAML 1.2's core schema: `1e-3` is a number, `no` and `12:30`
are text, `017` is 17.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from wmse_tui.config.problems import ConfigError, Problem, quoted

MAX_BYTES = 64 * 1024
MAX_DEPTH = 12
_RARE = re.compile(r"[\t\x85\u2028\u2029\ufeff&*!|>]|^%", re.MULTILINE)
"""Where the parsers differ: tabs, line breaks and marks of Unicode, anchors, tags, blocks and directives."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file.

    Args:
        values: plain data: dict, list, str, int, float, bool, None.
        lines: the line (from 1) of each key and list item by its dotted path (`schedule.milestones.0`).
        source: the file as the user named it.
    """

    values: dict[str, Any]
    lines: Mapping[str, int]
    source: str


def read_yaml(text: str | bytes, source: str) -> Document:
    """Read one document that is a mapping (or empty); `source` names the file in errors.

    Raises:
        ConfigError: with the line, for anything that is not such a document in UTF-8.
    """
    if isinstance(text, bytes):
        text = _decoded(text, source)
    lines: dict[str, int] = {}
    value = _Reader(source).read(text, lines)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        message = f"expected keys and values (`seed: 1`), got {quoted(value)}"
        raise ConfigError([Problem("", message, line=1, source=source)])
    return Document(value, MappingProxyType(lines), source)


def _decoded(raw: bytes, source: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message, line = f"is not UTF-8 text (byte {error.start})", raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("", message, line=line, source=source)]) from None


def read_value(text: str, source: str) -> Any:
    """Read one value as written after `key=`, such as `0.1` or `[50, 25]`; `source` is for errors."""
    return _Reader(source).read(text, {})


def write_yaml(values: Mapping[str, Any]) -> str:
    """Plain data as YAML that `read_yaml` reads back equal, keys in their order, lists in brackets."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _RefusedError(Exception):
    """YAML that is right but not allowed here."""

    def __init__(self, message: str, mark: yaml.Mark, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.mark, self.fix = message, mark, fix


class _Composer:
    """Composes one document from the events of a parser, and refuses what plain data does not need."""

    def __init__(self, text: str, loader: Any) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=loader)
        self._depth = 0

    def document(self) -> yaml.Node | None:
        """The root node; None where there is no document.

        Raises:
            yaml.YAMLError: the text is not YAML, or several documents.
            _RefusedError: it has anchors, aliases or tags, or is nested too deeply.
        """
        next(self._events)  # the start of the stream
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events))
        next(self._events)  # the end of the document
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise yaml.MarkedYAMLError(
                "expected a single document in the stream",
                start.start_mark,
                "but found another document",
                after.start_mark,
            )
        return root

    def _node(self, event: Any) -> yaml.Node:
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _RefusedError("anchors and aliases (& and *) are not allowed", mark, "write the value out")
        if getattr(event, "tag", None) is not None:
            raise _RefusedError("tags (!) are not allowed", mark, "quote the text if it begins with !")
        if self._depth >= MAX_DEPTH:
            raise _RefusedError(f"nested deeper than {MAX_DEPTH} levels", mark)
        if isinstance(event, yaml.ScalarEvent):
            style = event.style or None  # "" of a plain scalar by libyaml
            return yaml.ScalarNode("", event.value, mark, style=style)
        self._depth += 1
        node: yaml.Node
        if isinstance(event, yaml.MappingStartEvent):
            pairs = []
            while not isinstance(key := next(self._events), yaml.MappingEndEvent):
                pairs.append((self._node(key), self._node(next(self._events))))
            node = yaml.MappingNode("", pairs, mark)
        else:
            items = []
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(item))
            node = yaml.SequenceNode("", items, mark)
        self._depth -= 1
        return node


def _compose(text: str) -> yaml.Node | None:
    """The root node of the document in `text`, by libyaml where it is there: it is many times as fast."""
    libyaml = getattr(yaml, "CSafeLoader", None)
    if libyaml is not None and not _RARE.search(text):
        with suppress(yaml.YAMLError, ValueError):  # PyYAML's own parser gives the better reason
            return _Composer(text, libyaml).document()
    return _Composer(text, yaml.SafeLoader).document()


@dataclass(frozen=True, slots=True)
class _Reader:
    """Turns the text of one source into plain data."""

    source: str

    def read(self, text: str, lines: dict[str, int]) -> Any:
        size = len(text.encode("utf-8", "replace"))
        if size > MAX_BYTES:
            message = f"{size} bytes are more than a configuration can have ({MAX_BYTES})"
            raise ConfigError([Problem("", message, source=self.source)])
        try:
            node = _compose(text)
            return None if node is None else self._value(node, "", lines)
        except _RefusedError as refused:
            raise self._error("", refused.message, refused.mark.line + 1, refused.fix) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            message = ", ".join(part for part in (error.context, error.problem) if part)
            raise self._error("", f"not YAML: {message}", None if mark is None else mark.line + 1) from None
        except yaml.YAMLError as error:  # characters that no YAML holds
            message = f"not YAML: {str(error).splitlines()[0]}"
            raise self._error("", message, _line_of(text, getattr(error, "position", 0))) from None
        except (RecursionError, ValueError, OverflowError) as error:  # a bare escape such as \\UFFFFFFFF
            raise self._error("", f"not YAML: {error}", None) from None

    def _error(self, path: str, message: str, line: int | None, fix: str = "") -> ConfigError:
        return ConfigError([Problem(path, message, fix, line=line, source=self.source)])

    def _value(self, node: yaml.Node, path: str, lines: dict[str, int]) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, lines)
        if isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                inner = f"{path}.{index}"
                lines[inner] = item.start_mark.line + 1
                items.append(self._value(item, inner, lines))
            return items
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, lines: dict[str, int]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise self._error(
                    path, "every key must be a word", line, "put it in quotes if it is meant as text"
                )
            inner = f"{path}.{key}" if path else key
            if key in values:
                first = lines[inner]
                raise self._error(inner, f"is here twice (first on line {first})", line, "remove one of them")
            lines[inner] = line
            values[key] = self._value(value_node, inner, lines)
        return values

    def _scalar(self, node: yaml.Node, path: str) -> str | int | float | bool | None:
        assert isinstance(node, yaml.ScalarNode)
        text: str = node.value
        if node.style is not None:  # quoted or a block: text, even if it reads like a number
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return self._integer(text, node, path)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            message = f"expected a finite number, got {quoted(text)}"
            raise self._error(path, message, node.start_mark.line + 1)
        return text

    def _integer(self, text: str, node: yaml.Node, path: str) -> int:
        if len(text) > 100:
            raise self._error(path, f"a number of {len(text)} digits is too long", node.start_mark.line + 1)
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a YAML 1.1 or 1.2 reader could take for something else."""


def _represent_list(dumper: yaml.SafeDumper, data: Sequence[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


def _represent_text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """Text with a line break of any kind is escaped: unquoted, U+0085 and its like become a space."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"(?:{_INT.pattern})$"), list("-+0123456789")
)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"(?:{_FLOAT.pattern})$"), list("-+.0123456789")
)
