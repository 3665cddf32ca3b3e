"""Any event of a log, for hypothesis."""

from __future__ import annotations

from events import attempt, checkpoint, diagnostics, epoch, evaluation
from hypothesis import strategies as st

from wmse_tui.runs.log.events import (
    Artifact,
    Control,
    Damaged,
    DamagedFile,
    Error,
    Event,
    Exit,
    NormImportance,
    NormWeights,
    Notice,
    Phase,
    Resources,
    Steps,
    Unknown,
)

STEP = st.integers(0, 12)

EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Steps,
        st.integers(1, 12),
        st.lists(st.none() | st.floats(0, 9), max_size=3).map(tuple),
        st.lists(st.floats(0, 1), max_size=3).map(tuple),
        st.just((("a", (1.0,)),)) | st.just(()),
        st.none() | st.floats(0, 100),
    ),
    st.builds(attempt, STEP),
    st.builds(epoch, st.integers(0, 4), STEP),
    st.builds(evaluation, st.integers(0, 3), STEP, st.floats(0, 1), st.none() | st.floats(0, 1)),
    st.builds(diagnostics, STEP, st.sampled_from(["projector", "encoder"])),
    st.builds(lambda step: Resources(step=step, gpu="H100", cpu=1.5), STEP),
    st.builds(checkpoint, STEP, st.sampled_from(["a.pt", "b.pt"])),
    st.builds(
        lambda step, file: Artifact(kind="embedding", file=file, step=step, epoch=0, seconds=0.5),
        STEP,
        st.sampled_from(["embedding.npz", "views.png"]),
    ),
    st.builds(
        lambda step, mean: NormWeights(
            step=step, epoch=0, layers=(NormImportance("bn1", ("BW", "IW"), (mean, 1 - mean), (0.4, 0.6)),)
        ),
        STEP,
        st.floats(0, 1),
    ),
    st.builds(
        lambda status, step: Exit(status=status, step=step, epoch=0, seconds=2.5),
        st.sampled_from(["completed", "stopped", "failed", "diverged"]),
        STEP,
    ),
    st.sampled_from(
        [
            Phase("train"),
            Phase("knn", 1, 10.5, "images", "half"),
            Notice("info", "N", "x\u202e"),
            Control("1", "stop", "accepted", "soon"),
            Damaged(
                count=2, images=9, files=(DamagedFile("train/a.png", "torn"), DamagedFile("train/b.png"))
            ),
            Error(code="E", title="broken", next=("fix it",), stage="training", traceback="x\ny"),
            Unknown("spectrum"),
        ]
    ),
)
