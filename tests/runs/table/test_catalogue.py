"""All runs of a root, and the one that a person means."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.errors import NotARun, RunAmbiguous, RunNotFound, StorageError
from wmse_tui.runs.queue.dependencies import Dependencies
from wmse_tui.runs.queue.positions import position_of
from wmse_tui.runs.table.catalogue import list_runs, resolve_run, unreadable_runs
from wmse_tui.runs.table.index import RunIndex


@pytest.fixture
def runs(root: Path) -> dict[str, RunDirectory]:
    """Four runs, the later in the list the newer."""
    made = {}
    for age, name in enumerate(("stl10", "stl10-wmse4", "cifar10-a", "cifar10-b")):
        made[name] = create_run(root, "", name=name)
        os.utime(made[name].config, ns=(0, 10**18 + age))
    return made


def test_runs_are_listed_newest_first_and_only_runs(root: Path, runs: dict[str, RunDirectory]) -> None:
    (root / "half-made").mkdir()
    (root / ".removed-x").mkdir()
    (root / "notes.txt").write_text("")
    assert [run.id for run in list_runs(root)] == ["cifar10-b", "cifar10-a", "stl10-wmse4", "stl10"]


def test_a_new_event_does_not_make_a_run_newer(root: Path, runs: dict[str, RunDirectory]) -> None:
    runs["stl10"].events.write_text("{}\n")
    assert list_runs(root)[0].id == "cifar10-b"


def test_without_a_root_there_are_no_runs_and_a_bad_root_is_an_error(root: Path, tmp_path: Path) -> None:
    assert list_runs(root) == ()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot list the runs: .*/file: Not a directory"):
        list_runs(tmp_path / "file")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("stl10", "stl10"), ("stl10-", "stl10-wmse4"), ("cifar10-a", "cifar10-a"), ("last", "cifar10-b")],
)
def test_an_id_a_unique_beginning_or_last_is_enough(
    root: Path, runs: dict[str, RunDirectory], text: str, meant: str
) -> None:
    assert resolve_run(root, text) == runs[meant]


def test_a_path_is_enough(
    root: Path, runs: dict[str, RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    run = runs["stl10"]
    assert resolve_run(elsewhere, str(run.path)) == run
    assert resolve_run(elsewhere, f"{run.path}/") == run
    monkeypatch.chdir(run.path)
    assert resolve_run(elsewhere, ".") == run
    monkeypatch.setenv("HOME", str(root))
    assert resolve_run(elsewhere, "~/stl10") == run


def test_an_ambiguous_beginning_lists_the_candidates(root: Path, runs: dict[str, RunDirectory]) -> None:
    with pytest.raises(RunAmbiguous) as caught:
        resolve_run(root, "cifar")
    assert str(caught.value) == "several runs begin with 'cifar': cifar10-b, cifar10-a"


def test_a_long_list_of_candidates_is_cut(root: Path) -> None:
    for number in range(12):
        create_run(root, "", name=f"many-{number:02d}")
    with pytest.raises(RunAmbiguous, match=r"many-\d\d and 4 more$"):
        resolve_run(root, "many")


def test_an_unknown_id_names_the_nearest(root: Path, runs: dict[str, RunDirectory]) -> None:
    with pytest.raises(RunNotFound) as caught:
        resolve_run(root, "stl1O-wmse4")
    assert str(caught.value) == f"there is no run 'stl1O-wmse4': searched {root}"
    assert caught.value.next[0].startswith("did you mean stl10-wmse4 or ")
    assert caught.value.next[1] == "list them: wmse-tui runs"
    with pytest.raises(RunNotFound) as caught:
        resolve_run(root, "lst")
    assert caught.value.next[0] == "did you mean last or stl10?"


@pytest.mark.parametrize("text", ["", "zzz", "\x1b[31m"])
def test_what_resembles_nothing_is_not_guessed(root: Path, runs: dict[str, RunDirectory], text: str) -> None:
    with pytest.raises(RunNotFound, match="there is no run") as caught:
        resolve_run(root, text)
    assert caught.value.next == ("list them: wmse-tui runs",)
    assert str(caught.value).isprintable()


def test_where_there_are_no_runs_the_first_one_is_suggested(root: Path) -> None:
    for text in ("last", "stl10"):
        with pytest.raises(RunNotFound, match=f"there are no runs yet: searched {root}") as caught:
            resolve_run(root, text)
        assert caught.value.next[0] == "start one: wmse-tui run --preset quickstart"


def test_a_path_to_something_else_is_distinguished_from_no_path(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match=r"there is no such directory: .*/nothing"):
        resolve_run(root, str(tmp_path / "nothing"))
    with pytest.raises(NotARun, match=r"this directory is not a run: .* has no config.yaml with control/"):
        resolve_run(root, str(tmp_path))


@pytest.fixture
def closed(runs: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run that another user keeps private; root, who may read everything, is refused too."""
    run, stat = runs["stl10"], os.stat

    def refuse(path: object, **options: object) -> os.stat_result:
        if str(path).startswith(f"{run.path}/"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", refuse)
    return run


def test_a_run_that_cannot_be_read_does_not_hide_the_others(
    root: Path, closed: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "loop").symlink_to("loop")
    assert [run.id for run in list_runs(root)] == ["cifar10-b", "cifar10-a", "stl10-wmse4"]
    assert [row.run_id for row in RunIndex(root).refresh()] == ["cifar10-b", "cifar10-a", "stl10-wmse4"]
    assert list(unreadable_runs(root)) == ["stl10"]
    reason = f"Permission denied: it belongs to user {os.getuid()} with mode 700"
    assert unreadable_runs(root)["stl10"] == reason
    assert resolve_run(root, "cifar10-a").id == "cifar10-a"
    for text in ("stl10", str(closed.path)):
        with pytest.raises(
            StorageError, match=r"the run 'stl10' cannot be read: .*Permission denied"
        ) as refused:
            resolve_run(root, text)
        assert refused.value.next == (f"open it: chmod -R u+rwX {closed.path}",)
        with monkeypatch.context() as another:
            another.setattr(os, "geteuid", lambda: os.getuid() + 1)
            with pytest.raises(StorageError) as refused:
                resolve_run(root, text)
        assert refused.value.next == (f"ask its owner to open it: chmod -R go+rX {closed.path}",)


def test_a_run_that_cannot_be_read_is_not_called_removed(closed: RunDirectory) -> None:
    assert Dependencies((str(closed.path),)).poll() == (False, "")
    assert position_of(closed) is None


def test_the_newest_run_costs_a_status_call_for_each_and_one_by_its_name_few(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 50
    for number in range(many):
        run = create_run(root, "title: x\n", name=f"run-{number:02}")
        os.utime(run.config, (number, number))
    calls: list[str] = []
    for name in ("stat", "lstat"):
        plain = getattr(os, name)

        def counted(*arguments: Any, plain: Any = plain, **options: Any) -> Any:
            calls.append(str(arguments[0]))
            return plain(*arguments, **options)

        monkeypatch.setattr(os, name, counted)
    assert resolve_run(root, "last").id == f"run-{many - 1}"
    assert len(calls) < many + 20
    calls.clear()
    assert resolve_run(root, "run-17").id == "run-17"
    assert len(calls) < 20
