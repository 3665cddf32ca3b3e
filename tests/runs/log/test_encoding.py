"""Events and their lines: what is encoded is decoded again, and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from events import attempt, checkpoint, epoch, evaluation
from hypothesis import given, settings
from hypothesis import strategies as st

from wmse_tui.runs.errors import EventError, NewerVersion
from wmse_tui.runs.log import encoding
from wmse_tui.runs.log.encoding import decode, encode, plain_steps
from wmse_tui.runs.log.events import (
    TYPES,
    Artifact,
    Control,
    Damaged,
    DamagedFile,
    Diagnostics,
    Error,
    Event,
    Exit,
    NormImportance,
    NormWeights,
    Notice,
    Phase,
    Record,
    Resources,
    Steps,
    Unknown,
)

EVENTS: tuple[Event, ...] = (
    attempt(epochs=3, steps_per_epoch=10, versions=(("python", "3.11"), ("torch", "2.15"))),
    Phase("download", 1.5, 3.0, "MB", "stl10_binary.tar.gz"),
    Steps(1, (0.5, None), (1e-6, 2e-6), (("loss_01", (0.25, None)),), 812.5),
    epoch(1, 10, loss=None, seconds=2.5, images_per_second=812.0),
    evaluation(1, 10, 0.8125, 0.84, raw_pixels=0.31, seconds=1.5),
    Diagnostics(
        step=10,
        epoch=1,
        space="projector",
        samples=256,
        dim=64,
        spectrum=(2.5, 1.0, 0.125),
        effective_rank=41.5,
        effective_rank_null=57.25,
        condition_number=20.0,
        smallest_pivot=None,
        feature_std=0.125,
        mean_correlation=0.0625,
        seconds=0.25,
        rankme=50.5,
        stable_rank=20.0,
        participation_ratio=30.5,
        anisotropy=0.25,
        standard_deviation=0.75,
        alpha=1.25,
        alpha_ranks=(11, 64),
        whiteness_error=0.5,
        alignment=0.25,
        uniformity=-3.5,
        contrastive_accuracy=0.875,
        lidar=12.5,
        nulls=(("rankme", 60.5), ("alignment", 2.0)),
    ),
    NormWeights(
        step=10,
        epoch=1,
        layers=(NormImportance("layer1.1.bn1", ("BW", "IW"), (0.25, 0.75), (0.5, 0.5)),),
    ),
    Resources(step=10, gpu="NVIDIA H100", gpu_utilisation=0.5, cpu=1.5, cpu_count=2, memory=6.5e8),
    Artifact(kind="embedding", file="embedding.npz", step=10, epoch=1, seconds=0.5),
    checkpoint(10, "step-00000010.pt", epoch=1, kinds=("last", "best"), seconds=0.5),
    Notice("warning", "W_SLICE", "the last slice is small"),
    Damaged(count=3, images=60000, files=(DamagedFile("root/ant/1.jpg", "Truncated File Read"),)),
    Control("0001-ab", "stop", "accepted", "saving"),
    Error(
        code="E_NONFINITE",
        title="the loss is not finite",
        detail="step 12",
        saved="step-00000010.pt",
        next=("lower the learning rate",),
        stage="training",
        traceback="Traceback",
        files=("root/ant/1.jpg",),
    ),
    Exit(status="completed", step=30, epoch=3, seconds=12.5),
)


def line(**values: Any) -> str:
    return json.dumps({"v": 1, "seq": 1, "t": 5.0, "attempt": 1, **values})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_each_event_comes_back_from_its_line(event: Event) -> None:
    record = Record(1, 3, 1700000000.125, 2, event)
    assert decode(encode(record)) == record
    assert "\n" not in encode(record)


def test_the_events_of_these_tests_are_all_there_are() -> None:
    assert {event.type for event in EVENTS} == set(TYPES)


def test_a_sample_of_an_earlier_writer_lacks_what_it_did_not_know() -> None:
    """A line as version 0.1 wrote it before RankMe and the others were there."""
    event = decode(
        line(
            type="diagnostics",
            step=10,
            epoch=1,
            space="projector",
            samples=256,
            dim=64,
            spectrum=[2.5, 1.0],
            effective_rank=41.5,
            effective_rank_null=57.25,
            condition_number=20.0,
            smallest_pivot=None,
            feature_std=0.125,
            mean_correlation=0.0625,
            seconds=0.25,
        )
    ).event
    assert isinstance(event, Diagnostics)
    assert (event.effective_rank, event.rankme, event.alpha_ranks, event.nulls) == (41.5, None, (), ())


def test_what_an_earlier_reader_is_given_is_named_in_plain_json() -> None:
    written = json.loads(encode(Record(1, 1, 1.0, 1, EVENTS[5])))
    assert written["v"] == 1
    assert written["nulls"] == {"rankme": 60.5, "alignment": 2.0}
    weights = json.loads(encode(Record(1, 1, 1.0, 1, EVENTS[6])))
    assert weights["layers"] == [
        {
            "layer": "layer1.1.bn1",
            "statistics": ["BW", "IW"],
            "means": [0.25, 0.75],
            "covariances": [0.5, 0.5],
        }
    ]


def test_a_steps_line_reads_as_documented() -> None:
    event = Steps(812, (0.123456789, math.nan), (1e-3, 1e-3), (("a", (math.inf, 2.0)),))
    assert json.loads(encode(Record(1, 9, 2.00049, 1, event))) == {
        "v": 1,
        "seq": 9,
        "t": 2.0,
        "attempt": 1,
        "type": "steps",
        "first": 812,
        "loss": [0.123457, None],
        "lr": [0.001, 0.001],
        "parts": {"a": [None, 2.0]},
        "images_per_second": None,
    }


def test_a_number_that_must_be_finite_is_refused_when_it_is_not() -> None:
    with pytest.raises(EventError, match=r"Exit\.seconds is inf"):
        encode(Record(1, 1, 1.0, 1, Exit(status="failed", step=1, epoch=0, seconds=math.inf)))


def test_a_lone_surrogate_of_a_file_name_is_written_as_text() -> None:
    record = decode(encode(Record(1, 1, 1.0, 1, Notice("info", "N_FILE", "caf\udce9.png"))))
    assert record.event == Notice("info", "N_FILE", "caf\\udce9.png")


def test_unknown_fields_are_passed_over_and_unknown_types_retained() -> None:
    assert decode(line(type="phase", name="knn", mood="good")).event == Phase("knn")
    unknown = decode(line(type="spectrum", values=[1, 2]))
    assert unknown.event == Unknown("spectrum", '{"values":[1,2]}')
    assert json.loads(encode(unknown)) == json.loads(line(type="spectrum", values=[1, 2]))


def test_a_later_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(NewerVersion, match="version 2; this program reads version 1") as caught:
        decode('{"v":2,"whatever":1}')
    assert caught.value.next == ("update wmse-tui on this machine",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[1]", "a JSON list, expected an object"),
        ("[" * 100_000, "not JSON"),
        ('{"v":true,"seq":1,"t":1,"attempt":1,"type":"phase","name":"x"}', "its version is True"),
        ('{"seq":1}', "its version is None"),
        (line(type="phase"), "phase.name: Field required"),
        (line(type="phase", name="x", seq=0), "header.seq"),
        (line(type="phase", name="x", seq=1e300), "header.seq"),
        (line(type="phase", name="x", t=None), "header.t"),
        (line(type="steps", first=0, loss=[1.0]), "steps.first"),
        (line(type="steps", first=1, loss=["x"]), "steps.loss.0"),
        ('{"v":1,"seq":1,"t":1,"attempt":1,"type":"steps","first":1,"loss":[NaN]}', "NaN is not JSON"),
        ('{"v":1,"seq":1,"t":1,"attempt":1,"type":"steps","first":1,"loss":[1e999]}', "finite"),
        (line(type="spectrum", values=[1]).replace("[1]", "[1e999]"), "not JSON compliant"),
        (line(type="exit", status="gone", step=1, epoch=1, seconds=1.0), "exit.status"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(EventError) as caught:
        decode(text)
    assert reason in str(caught.value)


def test_bytes_that_are_no_utf8_are_no_event() -> None:
    with pytest.raises(EventError, match="not JSON"):
        decode(b'{"v":1,"seq":1,"t":1,"attempt":1,"type":"phase","name":"\xff"}')


def test_zero_bytes_before_a_line_do_not_cost_the_line() -> None:
    assert decode(b"\0\0\0" + line(type="phase", name="knn").encode()).event == Phase("knn")


@given(
    first=st.integers(1, 10**9),
    loss=st.lists(st.none() | st.floats(-1e30, 1e30), max_size=20),
    text=st.text(),
)
def test_any_loss_and_any_text_survive_to_six_digits(first: int, loss: list[float | None], text: str) -> None:
    steps = decode(encode(Record(1, 1, 1.0, 1, Steps(first, tuple(loss))))).event
    assert isinstance(steps, Steps)
    assert steps.loss == tuple(None if v is None else float(f"{v:.6g}") for v in loss)
    phase = decode(encode(Record(1, 1, 1.0, 1, Phase("x", detail=text)))).event
    assert isinstance(phase, Phase)
    assert phase.detail == text


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_an_event_or_an_event_error(content: bytes) -> None:
    try:
        decode(content)
    except EventError as error:
        assert str(error)  # noqa: PT017 (either outcome is right)


def test_the_checked_in_log_of_version_1_is_read_whole() -> None:
    lines = (Path(__file__).parents[1] / "data" / "events-v1.jsonl").read_bytes().splitlines()
    records = [decode(content) for content in lines]
    assert [record.seq for record in records] == list(range(1, len(lines) + 1))
    assert {type(record.event) for record in records} == {*TYPES.values(), Unknown} - {NormWeights, Damaged}


NUMBERS = st.floats() | st.integers() | st.none() | st.booleans() | st.text(max_size=3)
COLUMN = st.lists(st.floats(-1e9, 1e9), max_size=4) | st.lists(NUMBERS, max_size=4) | NUMBERS
STEPS = st.fixed_dictionaries(
    {
        "v": st.just(1) | st.booleans(),
        "seq": st.integers(1, 100) | NUMBERS,
        "t": st.floats(0, 1e10) | NUMBERS,
        "attempt": st.integers(0, 9) | NUMBERS,
        "type": st.just("steps"),
        "first": st.integers(1, 10**6) | NUMBERS,
        "loss": COLUMN,
    },
    optional={
        "lr": COLUMN,
        "parts": st.dictionaries(st.text(max_size=3), COLUMN, max_size=2) | NUMBERS,
        "images_per_second": st.floats(0, 1e6) | NUMBERS,
        "gradient_norm": COLUMN,
    },
)


def outcome(text: str | bytes) -> object:
    try:
        return decode(text)
    except EventError as error:
        return str(error)


@settings(max_examples=300)
@given(STEPS)
def test_the_check_by_hand_accepts_nothing_that_pydantic_does_not_and_gives_the_same(
    values: dict[str, Any],
) -> None:
    text = json.dumps(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "plain_steps", lambda _: None)
        truth = outcome(text)
    assert repr(outcome(text)) == repr(truth)  # repr tells 1 from 1.0 and from True


def test_what_a_writer_writes_is_checked_by_hand() -> None:
    event = Steps(5, (0.5, 0.25), (1e-3, 1e-3), (("loss_01", (0.5, 0.25)),), 812.5)
    record = Record(1, 7, 1700000000.125, 2, event)
    assert plain_steps(json.loads(encode(record))) == record


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.binary(max_size=3),
    st.integers(0, 200),
    st.booleans(),
)
def test_both_readers_of_json_see_the_same(value: object, noise: bytes, place: int, ascii_only: bool) -> None:
    values = {"v": 1, "seq": 1, "t": 5.0, "attempt": 1, "type": "other", "values": value}
    content = json.dumps(values, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    content = content[:place] + noise + content[place:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "from_json", refused)
        truth = outcome(content)
    assert repr(outcome(content)) == repr(truth)


def refused(content: bytes, *, allow_inf_nan: bool) -> object:
    raise ValueError


def test_the_checked_in_log_of_the_layers_is_read_whole() -> None:
    """Written by a run with switchable whitening, when diagnostics beyond the spectrum were new."""
    lines = (Path(__file__).parents[1] / "data" / "events-v1-layers.jsonl").read_bytes().splitlines()
    records = [decode(content) for content in lines]
    assert {type(record.event) for record in records} == {Diagnostics, NormWeights}
    samples = [record.event for record in records if isinstance(record.event, Diagnostics)]
    assert {event.space for event in samples} == {"projector", "features", "encoder"}
    assert all(event.rankme is not None and dict(event.nulls)["rankme"] > 1 for event in samples)
