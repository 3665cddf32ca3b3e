"""Lines in, lines out."""

from __future__ import annotations

import io
import json
import math

import pytest

from wmse_tui.engine.service.protocol import (
    MAX_LINE,
    AnswerWriter,
    BadRequest,
    Request,
    read_lines,
    read_request,
)


def test_a_request_has_the_fields_of_its_line() -> None:
    request = read_request(b'{"id": 3, "ask": "views", "config": "seed: 1\\n", "images": 2}\n')
    assert request == Request(id=3, ask="views", config="seed: 1\n", fields={"images": 2})
    assert request.number("images", 4, low=1, high=9) == 2
    assert request.number("views", 4, low=1, high=9) == 4


@pytest.mark.parametrize("value", [0, 10, "2", 2.0, True, None])
def test_a_number_that_is_none_or_out_of_range_is_refused(value: object) -> None:
    request = Request(id=1, ask="views", config="", fields={"images": value})
    with pytest.raises(BadRequest, match="images must be a whole number from 1 to 9"):
        request.number("images", 4, low=1, high=9)


@pytest.mark.parametrize(
    ("line", "title", "number"),
    [
        (b"what?", "a line is not JSON", None),
        (b"[" * 100_000, "a line is not JSON", None),
        (b"\xff\xfe", "a line is not JSON", None),
        (b"[1]", "a line is no JSON object", None),
        (b'{"ask": "views"}', "a request has no id", None),
        (b'{"id": true, "ask": "views"}', "a request has no id", None),
        (b'{"id": 1, "ask": "train"}', "there is no request 'train'", 1),
        (b'{"id": 1, "ask": "views", "config": 7}', "the configuration is no text", 1),
    ],
)
def test_a_line_that_is_no_request_is_refused_with_the_reason(
    line: bytes, title: str, number: int | None
) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request(line)
    assert (caught.value.title, caught.value.id) == (title, number)


def test_of_a_line_without_end_only_the_beginning_is_read() -> None:
    stream = io.BytesIO(b"x" * (3 * MAX_LINE) + b"\n\n  \nnext\nlast")
    assert list(read_lines(stream)) == [b"x" * MAX_LINE, b"next\n", b"last"]


def test_numbers_that_are_not_finite_leave_as_null() -> None:
    stream = io.BytesIO()
    values = {"values": (1.5, math.nan, [math.inf]), "map": {"a": -math.inf}}
    AnswerWriter(stream).write(4, {"answer": "measure", **values})
    assert json.loads(stream.getvalue()) == {
        "id": 4,
        "answer": "measure",
        "values": [1.5, None, [None]],
        "map": {"a": None},
    }


def test_lines_are_dropped_once_the_reader_has_ended() -> None:
    class Closed(io.RawIOBase):
        def write(self, _block: object) -> int:
            raise BrokenPipeError

    AnswerWriter(Closed()).write(1, {"cancelled": True})  # type: ignore[arg-type]
