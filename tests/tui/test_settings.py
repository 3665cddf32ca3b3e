"""The settings: file and environment, and what happens to those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.tui.settings import Settings, load_settings


def loaded(tmp_path: Path, text: str, **environ: str) -> tuple[Settings, tuple[str, ...]]:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    found = load_settings(file, environ)
    return found.settings, found.problems


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    found = load_settings(tmp_path / "none.yaml", {})
    assert (found.settings, found.problems) == (Settings(), ())


def test_the_file_is_obeyed(tmp_path: Path) -> None:
    text = "theme: light\nascii: true\nprofile: slow\nmouse: false\nkeys: {quit: ctrl+x}\n"
    settings, problems = loaded(tmp_path, text)
    assert problems == ()
    assert settings == Settings(
        theme="light", ascii=True, profile="slow", mouse=False, keys={"quit": "ctrl+x"}
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings, problems = loaded(
        tmp_path, "theme: light\nmouse: true\n", WMSE_TUI_THEME="terminal", WMSE_TUI_MOUSE="no"
    )
    assert (settings.theme, settings.mouse, problems) == ("terminal", False, ())


def test_an_empty_file_and_an_empty_variable_count_as_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, " \n", WMSE_TUI_THEME="") == (Settings(), ())


@pytest.mark.parametrize(
    ("text", "environ", "sentence"),
    [
        (
            "theme: blue\nmouse: false\n",
            {},
            "theme: input should be 'dark', 'light' or 'terminal', got 'blue'",
        ),
        ("them: dark\nmouse: false\n", {}, "no such setting 'them'; did you mean theme?"),
        ("zzz: 1\nmouse: false\n", {}, "known: theme, ascii, profile, mouse, notices, bell"),
        ("keys: [a]\nmouse: false\n", {}, "keys: input should be a valid dictionary, got ['a']"),
        (
            "mouse: false\n",
            {"WMSE_TUI_ASCII": "perhaps"},
            "WMSE_TUI_ASCII: ascii: input should be a valid bool",
        ),
    ],
)
def test_unusable_settings_are_reported_and_the_others_are_used(
    tmp_path: Path, text: str, environ: dict[str, str], sentence: str
) -> None:
    settings, problems = loaded(tmp_path, text, **environ)
    assert settings == Settings(mouse=False)
    [problem] = problems
    assert sentence in problem


@pytest.mark.parametrize("text", ["theme: [", "- a\n", "theme: dark\ntheme: light\n", "\x00"])
def test_a_file_that_is_no_mapping_is_ignored_with_a_sentence(tmp_path: Path, text: str) -> None:
    settings, problems = loaded(tmp_path, text)
    assert settings == Settings()
    assert problems
    assert all(problem.startswith("settings are ignored: ") for problem in problems)


def test_a_file_that_cannot_be_read_is_ignored_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(b"theme: \xff\xfe")
    found = load_settings(file, {})
    assert found.settings == Settings()
    assert found.problems[0].startswith(f"settings are ignored: {file}: ")
    assert load_settings(tmp_path, {}).problems[0].startswith(f"settings are ignored: {tmp_path}: ")
