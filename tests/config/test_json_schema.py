"""The JSON Schema that editors use."""

from __future__ import annotations

import json

from wmse_tui.config.json_schema import experiment_json_schema
from wmse_tui.config.names import unions


def test_the_schema_is_json_without_required_or_additional_keys() -> None:
    schema = experiment_json_schema()
    assert json.loads(json.dumps(schema)) == schema
    for name, part in {"": schema, **schema["$defs"]}.items():
        assert part["additionalProperties"] is False, name
        assert "required" not in part, name


def test_options_have_their_titles_units_bounds_and_choices() -> None:
    definitions = experiment_json_schema()["$defs"]
    size = definitions["WMse"]["properties"]["whitening_size"]
    assert (size["title"], size["unit"], size["default"], size["exclusiveMinimum"]) == (
        "Whitening size",
        "images",
        128,
        1,
    )
    assert size["description"].startswith("Images whose embeddings are whitened together")
    assert "cifar_resnet8" in definitions["Backbone"]["properties"]["arch"]["enum"]


def test_a_section_matches_its_union_without_a_tag() -> None:
    method = experiment_json_schema()["properties"]["method"]
    assert "oneOf" not in method
    members = [f"#/$defs/{member.__name__}" for member in unions()["method"].classes.values()]
    assert [member["$ref"] for member in method["anyOf"]] == members
    assert members[:3] == ["#/$defs/WMse", "#/$defs/SimClr", "#/$defs/Byol"]


def test_a_file_may_extend_a_preset() -> None:
    properties = experiment_json_schema()["properties"]
    assert next(iter(properties)) == "extends"
    assert properties["extends"]["type"] == "string"
