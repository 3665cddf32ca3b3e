"""`export` and `import`: what reaches the engine, what is refused at once, and archives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import Result

from wmse_tui.cli.commands.export import export_text
from wmse_tui.cli.exits import ExitCode
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.export_formats import EXPORT_FORMATS, FormatName
from wmse_tui.runs.process.interpreter import interpreter_command

Cli = Callable[..., Result]


def test_every_format_has_its_facts() -> None:
    assert tuple(EXPORT_FORMATS) == get_args(FormatName)


def test_the_options_reach_the_engine(
    cli: Cli, make_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def note(argv: list[str], **_: object) -> ExitCode:
        started.append(argv)
        return ExitCode.COMPLETED

    monkeypatch.setattr("wmse_tui.cli.commands.export.run_engine_command", note)
    run = make_run()
    cli("export", "small", "-f", "npz", "--split", "test", "--device", "cpu", "-o", "x.npz", "--force")
    cli("export", "small", "-f", "hf", "--license", "mit", "--checkpoint", "best")
    module = interpreter_command("wmse_tui.engine.commands", "export", str(run.path), "--format")
    assert started == [
        [*module, "npz", "--output", "x.npz", "--split", "test", "--device", "cpu", "--force"],
        [*module, "hf", "--checkpoint", "best", "--license", "mit"],
    ]


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("onnx", ("--split", "all")),
        ("torchvision", ("--license", "mit")),
        ("hf", ("--device", "cpu")),
        ("npz", ("--all-checkpoints",)),
        ("archive", ("--checkpoint", "best")),
        ("archive", ("--split", "test")),
    ],
)
def test_an_option_without_effect_is_refused(
    name: str, option: tuple[str, ...], cli: Cli, make_run: Callable[..., RunDirectory]
) -> None:
    make_run()
    done = cli("export", "small", "-f", name, *option)
    assert done.exit_code == ExitCode.USAGE
    assert f"{option[0]} has no effect on {name}" in done.stderr


def test_a_run_is_archived_and_imported(
    cli: Cli, make_run: Callable[..., RunDirectory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    monkeypatch.chdir(tmp_path)
    written = cli("export", "small", "-f", "archive")
    assert written.exit_code == 0
    assert "wmse-tui import small.tar" in written.stderr
    again = cli("export", "small", "-f", "archive")
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert cli("import", "small.tar").exit_code == ExitCode.USAGE  # the run is here
    imported = cli("import", "small.tar", "--name", "copy", "--json")
    assert json.loads(imported.stdout) == {"run_id": "copy", "path": str(run.path.parent / "copy")}
    assert (run.path.parent / "copy" / "events.jsonl").read_bytes() == run.events.read_bytes()
    status = [json.loads(cli("show", name, "--json").stdout) for name in ("small", "copy")]
    assert status[0]["evaluations"] == status[1]["evaluations"]


def test_the_result_is_the_file_the_check_and_the_recipe() -> None:
    result = {"file": "/x/a.onnx", "difference": 1.5e-7, "recipe": ["import onnxruntime", "session"]}
    assert export_text(result) == [
        "written: /x/a.onnx",
        "checked: loaded back, its features differ by 1.5e-07",
        "load it:",
        "    import onnxruntime",
        "    session",
    ]
