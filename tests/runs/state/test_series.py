"""The series against a plain list: whatever is appended and cut, every bucket of every level agrees."""

from __future__ import annotations

import math
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmse_tui.runs.state.series import CHUNK_LEVEL, LONGEST_GAP, Bucket, Series

CHUNK = 1 << CHUNK_LEVEL
values = st.none() | st.floats(-1e6, 1e6) | st.sampled_from((math.nan, math.inf, -math.inf))


def slow_buckets(
    plain: list[float | None], level: int, first: int = 1, last: int | None = None
) -> list[Bucket]:
    """Buckets straight from the definition."""
    last = len(plain) if last is None else min(last, len(plain))
    found = []
    for number, steps in groupby(range(1, len(plain) + 1), key=lambda step: (step - 1) >> level):
        begin, end = (number << level) + 1, ((number + 1) << level) + 1
        inside = [v for v in (plain[step - 1] for step in steps) if v is not None and math.isfinite(v)]
        if inside and begin <= last and end > first:
            found.append(Bucket(begin, end, len(inside), min(inside), max(inside), sum(inside), inside[-1]))
    return found


def assert_agree(fast: tuple[Bucket, ...], slow: list[Bucket]) -> None:
    assert len(fast) == len(slow)
    for mine, theirs in zip(fast, slow, strict=True):
        assert (mine.first, mine.end, mine.count, mine.minimum, mine.maximum, mine.last) == (
            theirs.first, theirs.end, theirs.count, theirs.minimum, theirs.maximum, theirs.last
        )  # fmt: skip
        assert mine.mean == pytest.approx(theirs.mean, rel=1e-9, abs=1e-6)


appends = st.tuples(st.just("append"), st.integers(0, 3), st.lists(values, max_size=300))
bulks = st.tuples(
    st.just("append"),
    st.just(0),
    st.integers(CHUNK - 70, 2 * CHUNK).map(lambda n: [float(i % 977) for i in range(n)]),
)
cuts = st.tuples(st.just("cut"), st.floats(0, 1.2), st.lists(values, max_size=0))


@settings(max_examples=50)
@given(actions=st.lists(appends | bulks | cuts, max_size=10), data=st.data())
def test_every_level_agrees_with_a_plain_list_after_any_appends_and_cuts(
    actions: list[tuple[str, float, list[float | None]]], data: st.DataObject
) -> None:
    series, plain = Series.EMPTY, list[float | None]()
    for kind, amount, new in actions:
        if kind == "append":
            gap = int(amount)
            series = series.extended(len(plain) + 1 + gap, new)
            if new:
                plain += [None] * gap + new
        else:
            keep = int(amount * len(plain))
            series = series.truncated(keep)
            del plain[keep:]
    assert series.last_step == len(plain)
    finite = [v for v in plain if v is not None and math.isfinite(v)]
    assert series.last == (finite[-1] if finite else None)
    assert series == Series.EMPTY.extended(1, plain), "a series depends on its values, not on its history"
    for level in (0, 1, 4, 5, 6, 7, 11, 12, 13, 14):
        assert_agree(series.buckets(level), slow_buckets(plain, level))
    first = data.draw(st.integers(1, len(plain) + 2))
    last = data.draw(st.integers(first, len(plain) + 5))
    level = data.draw(st.integers(0, 14))
    assert_agree(series.buckets(level, first, last), slow_buckets(plain, level, first, last))


@pytest.mark.parametrize("level", range(14))
def test_any_span_gives_the_buckets_that_touch_it(level: int) -> None:
    plain: list[float | None] = [float(i * 37 % 1009) for i in range(2 * CHUNK + 900)]
    series = Series.EMPTY.extended(1, plain)
    edges = (1, 2, 64, 65, 700, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 2 * CHUNK + 500, len(plain))
    every = slow_buckets(plain, level)
    for first in edges:
        for last in (edge for edge in edges if edge >= first):
            touched = [bucket for bucket in every if bucket.first <= last and bucket.end > first]
            assert_agree(series.buckets(level, first, last), touched)


def test_values_come_back_as_they_were_with_none_for_what_is_not_finite() -> None:
    series = Series.EMPTY.extended(1, [0.1, math.nan]).extended(5, [None, 0.5])
    assert series.values() == (0.1, None, None, None, None, 0.5)
    assert series.values(5, 99) == (None, 0.5)
    long = Series.EMPTY.extended(1, [float(i) for i in range(3 * CHUNK)])
    assert long.values(CHUNK - 1, CHUNK + 2) == (CHUNK - 2.0, CHUNK - 1.0, float(CHUNK), CHUNK + 1.0)


def test_what_is_appended_again_replaces_what_stood_there() -> None:
    series = Series.EMPTY.extended(1, [1.0, 2.0, 3.0]).extended(2, [9.0])
    assert series.values() == (1.0, 9.0)


def test_appending_leaves_the_earlier_series_as_it_was_and_shares_its_chunks() -> None:
    before = Series.EMPTY.extended(1, [1.0] * (CHUNK + 1))
    after = before.extended(CHUNK + 2, [2.0] * CHUNK)
    assert before.last_step == CHUNK + 1
    assert after.chunks[0] is before.chunks[0]


def test_an_overview_takes_the_finest_buckets_that_fit() -> None:
    series = Series.EMPTY.extended(1, [float(i) for i in range(100_000)])
    for columns in (2, 50, 80, 400, 5000):
        buckets = series.overview(columns)
        level = series.level_for(columns)
        assert len(buckets) <= columns < len(series.buckets(level - 1))
        assert (buckets[0].first, buckets[-1].last) == (1, 99_999.0)
    near = series.overview(100, 5000, 5050)
    assert [bucket.first for bucket in near] == list(range(5000, 5051))


def test_a_million_steps_share_memory_and_stay_small() -> None:
    series, versions = Series.EMPTY, []
    for first in range(1, 1_000_000, 5000):
        series = series.extended(first, [0.5] * 5000)
        versions.append(series)
    chunks = {id(chunk): chunk for version in versions for chunk in version.chunks}
    assert len(chunks) == len(series.chunks) == 1_000_000 // CHUNK
    assert sum(len(chunk.values) for chunk in chunks.values()) <= 8_000_000
    assert sum(len(list(chunk.grains())) for chunk in chunks.values()) <= 1_000_000 / 64


def test_a_step_that_cannot_follow_is_refused() -> None:
    series = Series.EMPTY.extended(1, [1.0])
    with pytest.raises(ValueError, match=r"step 10000000 does not follow step 1"):
        series.extended(10_000_000, [1.0])
    with pytest.raises(ValueError, match=r"step 0 does not follow"):
        series.extended(0, [1.0])
    assert series.extended(1 + LONGEST_GAP, [1.0]).last_step == 1 + LONGEST_GAP


def test_the_empty_series_answers_everything() -> None:
    empty = Series.EMPTY
    assert (empty.last_step, empty.last, empty.values(), empty.overview(80)) == (0, None, (), ())
    assert empty.to_dict() == {"last_step": 0, "bucket_steps": 1, "buckets": []}


def test_to_dict_says_how_many_steps_a_bucket_spans() -> None:
    values = Series.EMPTY.extended(1, [1.0, 2.0, None, 4.0]).to_dict(columns=2)
    assert values["bucket_steps"] == 2
    assert values["buckets"][1] == {"first": 3, "count": 1, "min": 4.0, "mean": 4.0, "max": 4.0, "last": 4.0}


def test_the_mean_of_values_whose_sum_no_double_holds_is_finite() -> None:
    (bucket,) = Series.EMPTY.extended(1, [1.7e308, 1.7e308]).buckets(1)
    assert (bucket.minimum, bucket.mean, bucket.maximum) == (1.7e308, 1.7e308, 1.7e308)
