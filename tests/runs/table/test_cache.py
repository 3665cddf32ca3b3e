"""Cached values: they are read as they were written, and no content of the file can do harm."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wmse_tui.runs.table.cache import DiskCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    name: str
    sizes: tuple[float, ...] = ()


THINGS = {"a": ((1, 2), Thing(name="x", sizes=(1.5, 2.5))), "b": ((-1, 3), Thing(name="\u202e[/red]"))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "things.json"


def test_what_was_written_is_read_back_and_is_private(path: Path) -> None:
    cache = DiskCache(path, Thing, version="1")
    assert cache.read() == {}
    cache.write(THINGS)
    assert DiskCache(path, Thing, version="1").read() == THINGS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    cache.write({})
    assert cache.read() == {}
    assert list(path.parent.iterdir()) == [path]


def test_another_version_holds_nothing(path: Path) -> None:
    DiskCache(path, Thing, version="1").write(THINGS)
    assert DiskCache(path, Thing, version="2").read() == {}
    assert DiskCache(path, Thing, version="1").read() == THINGS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b"null",
        b'["1", {"a": 5}]',
        b'["1", {"a": [[1], {"name": 5}]}]',
        b'["1", {"a": [[1], {"name": "x", "sizes": ["5"]}]}]',
        b'["1", {"a": [[1.5], {"name": "x"}]}]',
        b'["1", {"a": [[1], {"name": "\\ud800"}]}]',
    ],
)
def test_a_damaged_file_holds_nothing_and_is_written_anew(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    cache = DiskCache(path, Thing, version="1")
    assert cache.read() == {}
    cache.write(THINGS)
    assert cache.read() == THINGS


@given(data=st.data())
def test_any_cut_or_changed_byte_is_values_of_the_type_or_nothing(
    data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cache") / "things.json"
    cache = DiskCache(path, Thing, version="1")
    cache.write(THINGS)
    content = bytearray(path.read_bytes())
    index = data.draw(st.integers(0, len(content) - 1))
    content[index] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(index, len(content)))])
    for stamp, thing in cache.read().values():
        assert all(type(number) is int for number in stamp)
        assert type(thing) is Thing
        assert type(thing.name) is str


def test_a_path_that_cannot_be_read_or_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "things.json", Thing, version="1")
    cache.write(THINGS)
    assert cache.read() == {}
    (tmp_path / "things.json").mkdir()
    assert DiskCache(tmp_path / "things.json", Thing, version="1").read() == {}


def test_a_value_that_is_no_text_leaves_the_file_as_it_was(path: Path) -> None:
    cache = DiskCache(path, Thing, version="1")
    cache.write(THINGS)
    cache.write({"c": ((1,), Thing(name="caf\udce9"))})
    assert cache.read() == THINGS
    assert json.loads(path.read_bytes())
