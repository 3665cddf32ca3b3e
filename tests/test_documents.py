"""README and docs name only what exists: files, commands, options, presets; their Python runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from wmse_tui.cli.main import app
from wmse_tui.config import locations
from wmse_tui.config.loading import shipped_preset_names
from wmse_tui.tui.screen_names import SCREENS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """(page, code) of every fenced block in a language."""
    for page in PAGES:
        for code in re.findall(rf"(?s)```{language}\n(.*?)```", page.read_text()):
            yield page.name, code


def commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words after `wmse-tui`) of every command line in a block or between backticks."""
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"(?m)(?:^|`|&& \.venv/bin/)wmse-tui ([^`\n]*)", text):
            yield page.name, shlex.split(line.split(" # ")[0], posix=True)


def option_names(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_every_command_and_option_exists() -> None:
    wrong = []
    root: Any = typer.main.get_command(app)
    for page, words in commands():
        command = root
        for word in words:
            command = getattr(command, "commands", {}).get(word, command)
        if words and words[0][:1].islower() and words[0] not in root.commands:
            wrong.append(f"{page}: wmse-tui {' '.join(words)}: no such command")
        known = option_names(command) | option_names(root)
        options = [word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1]
        wrong += [f"{page}: wmse-tui {' '.join(words)}: no option {o}" for o in options if o not in known]
    assert not wrong, "\n".join(wrong)


def test_every_link_leads_to_a_file() -> None:
    links = [
        (page, link) for page in PAGES for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    ]
    missing = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert len(links) > 20
    assert not missing, "\n".join(missing)


def test_every_preset_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    missing = [name for name in sorted(shipped_preset_names()) if f"`{name}`" not in text]
    assert not missing, "\n".join(missing)


def test_the_python_of_the_readme_runs() -> None:
    programs = [code for page, code in blocks("python") if page == "README.md"]
    assert programs
    for program in programs:
        values: dict[str, Any] = {}
        exec(program, values)
        assert values["embeddings"].grad.isfinite().all()


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = spec_from_loader("reference", SourceFileLoader("reference", str(ROOT / "scripts" / "reference")))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_that_of_the_code(reference: ModuleType) -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference.page(), "write it: scripts/reference"


def test_the_reference_has_every_environment_variable(reference: ModuleType) -> None:
    source = "".join(path.read_text() for path in (ROOT / "wmse_tui").rglob("*.py"))
    names = set(re.findall(r"WMSE_TUI_[A-Z]+", source))
    missing = [name for name in sorted(names) if f"`{name}`" not in reference.page()]
    assert not missing, "\n".join(missing)


def test_the_default_folders_are_those_without_xdg_variables(
    reference: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    paths = {
        "WMSE_TUI_RUNS": locations.runs_dir,
        "WMSE_TUI_DATA": locations.data_dir,
        "WMSE_TUI_PRESETS": locations.user_presets_dir,
        "WMSE_TUI_SETTINGS": locations.settings_file,
        "WMSE_TUI_CACHE": locations.cache_dir,
        "WMSE_TUI_QUEUE": locations.queue_dir,
        "WMSE_TUI_SCREENS": locations.screens_file,
    }
    for variable, _, xdg, default in reference.FOLDERS:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(xdg, raising=False)
        assert str(paths[variable]()) == default.replace("~", "/home/user")


def test_the_readme_has_the_keys_of_the_screens() -> None:
    rows = re.findall(r"(?m)^\| `(.)` \| (\w+) \|", (ROOT / "README.md").read_text())
    assert rows == [(key, title) for key, _, title in SCREENS]


def test_every_file_of_the_source_that_is_named_exists() -> None:
    missing = [
        f"{page.name}: {name}"
        for page in PAGES
        for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|yaml|json))`", page.read_text())
        if not any(
            (base / name).exists()
            for base in (ROOT, ROOT / "wmse_tui", ROOT / "wmse_tui/tui", ROOT / "tests")
        )
    ]
    assert not missing, "\n".join(missing)
