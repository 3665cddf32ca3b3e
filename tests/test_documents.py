"""README and docs name only what exists: files, commands, options, presets; their Python runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from wmse_tui.cli.main import app
from wmse_tui.config.presets import shipped_preset_names

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
