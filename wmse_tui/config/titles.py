"""Names of presets and options with their titles: for searching them by words."""

from __future__ import annotations

from wmse_tui.config.fields import form_field
from wmse_tui.config.loading import find_preset, preset_names
from wmse_tui.config.names import option_names, unions
from wmse_tui.config.problems import ConfigError


def preset_titles() -> tuple[tuple[str, str], ...]:
    """The name and title of each preset; one that cannot be used has none. Opens their files."""
    found = []
    for name in preset_names():
        try:
            found.append((name, find_preset(name).experiment.title))
        except ConfigError:
            found.append((name, ""))
    return tuple(found)


def choices(path: str) -> tuple[str, ...]:
    """The values of an option with choices, true and false of a flag; of others examples, or the default."""
    for section, union in unions().items():
        for variant in union.classes:
            values = {section: {union.tag: variant}}
            if path in option_names(values):
                field = form_field(path, values)
                if field.kind == "flag":
                    return "true", "false"
                default = field.text(field.default)
                return field.choices or field.examples or ((default,) if default else ())
    return ()


def option_titles() -> tuple[tuple[str, str, str], ...]:
    """Dotted name, title and description of every option, also of variants that are not chosen."""
    found: dict[str, tuple[str, str, str]] = {}
    for section, union in unions().items():
        for variant in union.classes:
            values = {section: {union.tag: variant}}
            for path in option_names(values):
                if path not in found:
                    field = form_field(path, values)
                    found[path] = (path, field.title, field.description)
    return tuple(found.values())
