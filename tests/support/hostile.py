"""A run whose every text is hostile: escape sequences, markup, marks that hide or turn text around."""

from __future__ import annotations

from wmse_tui.runs.log.events import (
    Artifact,
    Attempt,
    Checkpoint,
    Control,
    Epoch,
    Error,
    Evaluation,
    Event,
    Exit,
    KnnResult,
    Notice,
    Phase,
    Steps,
)

HOSTILE = (
    "\x1b]52;c;cHduZWQ=\x1b\\ \x1b[2J \x9b31m \x07 \x00 \x7f \u202e \u2066 \u200b [/foo] [red] "
    "[link=file:///etc/passwd]x[/link] [@click=app.quit]y[/] {0} %s \\x1b $(id)"
)
"""One of each kind."""


def hostile_events(text: str = HOSTILE) -> list[Event]:
    """A log with `text` in every field that can have text."""
    return [
        Phase(name=text, done=1, total=2, unit=text, detail=text),
        Attempt(
            resume_step=0,
            epochs=2,
            steps_per_epoch=2,
            device=text,
            device_reason=text,
            loader=text,
            loader_reason=text,
            train_images=8,
            train_split=text,
            parameters=5,
            deterministic=False,
            exact=True,
            pid=77,
            host=text,
            versions=((text, text),),
        ),
        Phase(name="train"),
        Steps(first=1, loss=(1.0, 0.5), lr=(0.1, 0.1), parts=((text, (1.0, 0.5)),), images_per_second=9.0),
        Epoch(epoch=1, step=2, loss=0.75, seconds=1.0, images_per_second=9.0),
        Evaluation(
            epoch=1,
            step=2,
            knn=KnnResult(0.5, 5, "euclidean"),
            linear=None,
            train_split=text,
            test_split=text,
            seconds=1.0,
        ),
        Checkpoint(step=2, epoch=1, file=text, sha256=text, bytes=5, kinds=(text,), seconds=0.1),
        Artifact(kind=text, file=text, step=2, epoch=1, seconds=0.1),
        Notice(level="warning", code=text, text=text),
        Control(id=text, command=text, outcome="refused", text=text),
        Error(code=text, title=text, detail=f"{text}\n{text}", saved=text, next=(text,), stage="training"),
        Exit(status="failed", step=2, epoch=1, seconds=2.0),
    ]


def control_characters(text: str) -> set[str]:
    """The characters of `text` that a terminal would act upon or that would not be seen; lines may end."""
    return {character for character in text if character != "\n" and not character.isprintable()}
