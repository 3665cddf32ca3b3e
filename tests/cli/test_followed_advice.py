"""Each kind of error that a command can end with: its next steps are followed as they are printed.

What a trainer reports is followed in `engine/training/test_remedies.py`. A kind of error without a row here
names the test that follows it, or why none can.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import Result

import wmse_tui
from wmse_tui.config.problems import ExplainedError
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.lock import held

Cli = Callable[..., Result]
MakeRun = Callable[..., RunDirectory]
TESTS = Path(__file__).parents[1]
NEW = ("run", "--preset", "quickstart", "--detach")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A command that is refused; there are a run `a` that has completed and a run `b` that has not begun.

    Args:
        code: of the error.
        title: the beginning of its title.
        command: the words after `wmse-tui`.
        before: commands that succeed first.
        values: what a reader writes in place of a word of the next steps, or after an option.
        trainer: what the trainers of this test do.
        last: the beginning of a step that is followed after the others.
        elsewhere: the beginning of a step that needs another machine, or another copy of a file.
        exits: the exit codes of commands that did what the step says.
    """

    code: str
    title: str
    command: Sequence[str]
    before: Sequence[Sequence[str]] = ()
    values: dict[str, str] = field(default_factory=dict)
    trainer: str = "completes"
    last: str = "\n"
    elsewhere: str = "\n"
    exits: tuple[int, ...] = (0,)


REFUSALS = (
    Refusal(
        code="E_RUN_EXISTS", title="the run 'b' exists", command=(*NEW, "--name", "b"), values={"--name": "c"}
    ),
    Refusal(code="E_RUN_NOT_FOUND", title="there is no run", command=("show", "nothing")),
    Refusal(code="E_NOT_QUEUED", title="run", command=("queue", "hold", "b")),
    Refusal(
        code="E_ARCHIVE",
        title="",
        command=("import", "text"),
        values={"RUN": "a"},
        elsewhere="transfer it again",
    ),
    Refusal(
        code="E_PLACE",
        title="the folder for runs cannot",
        command=(*NEW, "--runs-dir", "text"),
        values={"DIR": "folder"},
    ),
    Refusal(
        code="E_OUTPUT_EXISTS",
        title="there is",
        command=("export", "a", "--format", "archive", "-o", "text"),
        values={"-o": "other.tar.gz"},
    ),
    Refusal(
        code="E_RUN_BUSY",
        title="b is running already",
        command=("resume", "b"),
        before=[("resume", "b", "--detach")],
        trainer="waits",
        last="watch it",
        exits=(0, 4),
    ),
    Refusal(
        code="E_RUN_QUEUED", title="run b waits", command=("resume", "b"), before=[("resume", "b", "--queue")]
    ),
    Refusal(
        code="E_SCHEDULER",
        title="",
        command=(*NEW[:-1], "--name", "c", "--slurm", "--yes"),
        elsewhere="log in",
    ),
)


def steps_of(result: Result) -> list[str]:
    """The next steps that a command printed."""
    return re.findall(r"(?m)^  -> (.*)$", result.stderr)


def words_of(step: str, refusal: Refusal) -> list[str]:
    """The words after `wmse-tui` of what a next step says to do."""
    if found := re.search(r"wmse-tui ([a-z].*?)(?= \(|$)", step):
        return [refusal.values.get(word, word) for word in shlex.split(found[1])]
    words = list(refusal.command)
    if found := re.search(r"did you mean (\w+)\?", step):
        near = difflib.get_close_matches(found[1], words, n=1)[0]
        return [found[1] if word == near else word for word in words]
    found = re.search(r"(omit )?(--?[a-z-]+)( DIR)?", step)
    assert found, f"no command follows from this step: {step}"
    option = found[2]
    if found[1]:
        words.remove(option)
        return words
    value = refusal.values.get((found[3] or option).strip())
    if option in words and value:
        words[words.index(option) + 1] = value
        return words
    return [*words, option, *([value] if value else [])]


@pytest.mark.usefixtures("occupied_slot")
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.code} {refusal.command[-1]}")
def test_the_next_steps_of_a_command_are_followed(
    cli: Cli,
    make_run: MakeRun,
    trainer: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Refusal,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # no SLURM
    Path("text").write_text("text")
    make_run("a")
    run = make_run("b", upto=0)
    trainer(refusal.trainer)
    for words in refusal.before:
        assert cli(*words).exit_code == 0
    while refusal.code == "E_RUN_BUSY" and not held(run.lock):
        time.sleep(0.01)
    refused = cli(*refusal.command)
    assert refused.exit_code != 0
    assert f"wmse-tui: {refusal.title}" in refused.stderr
    steps = re.findall(r"(?m)^  -> (.*)$", refused.stderr)
    assert steps
    for step in sorted(steps, key=lambda step: step.startswith(refusal.last)):
        if not step.startswith(refusal.elsewhere):
            words = words_of(step, refusal)
            done = cli(*words)
            assert done.exit_code in refusal.exits, (words, done.output)
            assert "nothing left to do" not in done.output, step


if os.geteuid() == 0:  # only root may give files away

    def test_the_run_of_another_user_is_read_and_a_copy_continued(
        cli: Cli, make_run: MakeRun, trainer: Callable[..., None], tmp_path: Path
    ) -> None:
        run = make_run("b", upto=0)
        os.chown(run.path, 1234, -1)
        trainer("completes")
        refused = cli("resume", "b")
        assert refused.exit_code == 1
        steps = re.findall(r"(?m)^  -> (.*)$", refused.stderr)
        assert steps[0] == "read it: wmse-tui show b"
        assert cli("show", "b").exit_code == 0
        assert steps[1:] == [
            "to continue it, copy its directory into your folder of runs, and resume the copy"
        ]
        shutil.copytree(run.path, tmp_path / "runs" / "copy")
        assert cli("resume", "copy").exit_code == 0


RESUMED = "training/test_rank_training.py::test_stopped_then_killed_then_resumed_gives_the_same_bits"
FOLLOWED = {
    "E_CHECKPOINT": "training/test_other_images.py::test_moved_images_are_found_by_the_advice_of_the_error",
    "E_DATA": "training/test_damaged_images.py::test_the_advice_about_a_damaged_image_lets_the_run_continue",
    "E_DEVICE": "training/test_remedies.py::test_the_advice_of_an_error_lets_the_run_continue",
    "E_EXPORT": "export/test_formats.py::test_graphs_give_the_features_for_any_batch",
    "E_RANK": RESUMED,
    "E_RANKS_DIFFER": RESUMED,
    "E_WHITENING": "whitening/test_diagnosis.py::test_a_small_slice_is_diagnosed_with_sizes_that_suffice",
}
"""The tests, in tests/engine, that follow the next steps of the trainer's own errors."""

HERE = {"E_FOREIGN_RUN", *(refusal.code for refusal in REFUSALS)}
NO_COMMAND = {
    "E_CONTROL": "a request of a program that is none of ours",
    "E_EVALUATION": "its next steps are those of the trainer's errors",
    "E_EVENT": "update wmse-tui",
    "E_INTERNAL": "a defect",
    "E_LAUNCH": "it names the missing program",
    "E_LOCKS": "another file system",
    "E_NONFINITE": "other options, whose values are a matter of judgement",
    "E_NOT_A_RUN": "it names the directory that is meant",
    "E_PUBLISH": "it names the service that is meant, or the pip line",
    "E_REQUEST": "a request of a program that is none of ours",
    "E_RUN": "the base of the others",
    "E_RUN_NAME": "it says how a name is written",
    "E_SLOTS": "fewer devices, or more GPUs",
    "E_STORAGE": "those of runs.errors.SYSTEM_STEPS",
    "E_TAG": "it says how a tag is written",
    "E_TORCH": "an installation",
    "E_USAGE": "it names the option that is wrong",
}
"""Kinds of errors whose next steps are no command of this program, if they have any."""


def codes() -> Iterator[str]:
    """The code of every class of error in the package."""
    for module in pkgutil.walk_packages(wmse_tui.__path__, "wmse_tui."):
        if module.name.endswith(("errors", "followers", "jsonl", "protocol", "server")):
            importlib.import_module(module.name)
    found = [ExplainedError]
    while found:
        error = found.pop()
        found += error.__subclasses__()
        if error.__module__.startswith("wmse_tui"):
            yield error.code


def test_every_kind_of_error_is_followed_or_says_why_not() -> None:
    assert set(codes()) == {*HERE, *FOLLOWED, *NO_COMMAND}
    for place in FOLLOWED.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / "engine" / path).read_text(encoding="utf-8"), place
