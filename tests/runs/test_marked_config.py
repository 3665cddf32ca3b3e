"""A run's configuration beside its preset: what differs is marked on its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.config.loading import dump_experiment, load_experiment
from wmse_tui.runs.directory import RunDirectory, create_run
from wmse_tui.runs.marked_config import MarkedConfig, read_marked_config
from wmse_tui.runs.state.config import with_preset


def run_of(root: Path, *overrides: str, preset: str = "quickstart", named: str | None = None) -> RunDirectory:
    text = dump_experiment(load_experiment(preset=preset, overrides=overrides))
    return create_run(root, with_preset(text, preset if named is None else named), name="r")


def marked(found: MarkedConfig) -> dict[str, str]:
    return {line.text.strip(): line.preset for line in found.lines if line.preset}


def test_every_line_of_the_file_is_there(root: Path) -> None:
    run = run_of(root)
    assert [line.text for line in read_marked_config(run).lines] == run.config.read_text().splitlines()


def test_a_run_as_its_preset_says_has_no_mark(root: Path) -> None:
    found = read_marked_config(run_of(root))
    assert marked(found) == {}
    assert found.note == "Nothing differs from preset quickstart."


def test_what_differs_is_marked_with_what_the_preset_says(root: Path) -> None:
    found = read_marked_config(
        run_of(root, "method.whitening_size=128", "augmentation.crop_scale=[0.5, 1.0]", "seed=3")
    )
    assert marked(found) == {
        "whitening_size: 128": "64",
        "crop_scale: [0.5, 1.0]": "[0.2, 1.0]",
        "seed: 3": "0",
    }
    assert found.note == "3 of its options differ from preset quickstart."
    one = read_marked_config(run_of(root / "other", "seed=3"))
    assert one.note == "1 of its options differs from preset quickstart."


def test_options_of_another_method_are_listed_at_its_section(root: Path) -> None:
    found = marked(read_marked_config(run_of(root, "method={name: byol}")))
    assert found["name: byol"] == "w_mse"
    assert found["momentum: 0.99"] == "momentum is not in the preset"
    assert "whitening_size: 64" in found["method:"]


def test_a_run_without_a_preset_is_noted(root: Path) -> None:
    assert read_marked_config(run_of(root, named="")).note == "It was not made from a preset."


def test_a_removed_preset_is_noted(root: Path) -> None:
    note = read_marked_config(run_of(root, named="my [/red]\x1b recipe")).note
    assert note.startswith("Preset my [/red] recipe cannot be read now: ")


def test_a_configuration_that_cannot_be_used_is_shown_with_the_reason(run: RunDirectory) -> None:
    run.config.write_text("# preset: quickstart\nseed: [\x1b]\n")
    found = read_marked_config(run)
    assert [line.text for line in found.lines] == ["# preset: quickstart", "seed: [\\x1b]"]
    assert found.note.startswith("config.yaml")


def test_a_missing_file_is_a_sentence(run: RunDirectory) -> None:
    run.config.unlink()
    assert read_marked_config(run) == MarkedConfig(
        note="config.yaml cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"- 1\n"])
def test_nothing_in_the_file_makes_it_fail(run: RunDirectory, content: bytes) -> None:
    run.config.write_bytes(content)
    assert read_marked_config(run).note
