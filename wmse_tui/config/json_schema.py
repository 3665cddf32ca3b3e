"""The JSON Schema of experiment files, so that editors complete and check them while they are written."""

from __future__ import annotations

from typing import Any

from wmse_tui.config.schema import Experiment


def experiment_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a preset or configuration file, where every option may be left out."""
    schema = Experiment.model_json_schema()
    for definition in (schema, *schema["$defs"].values()):
        for option in definition["properties"].values():
            _open(option)
    extends = {
        "type": "string",
        "title": "Extends",
        "description": "Name of the preset that this file builds on; what this file sets overrides it.",
    }
    schema["properties"] = {"extends": extends, **schema["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "wmse-tui experiment",
    }


def _open(option: dict[str, Any]) -> None:
    """Let a section match its union without a tag: several variants may match, which `oneOf` refuses."""
    if "oneOf" in option:
        option["anyOf"] = option.pop("oneOf")
        option.pop("discriminator", None)
