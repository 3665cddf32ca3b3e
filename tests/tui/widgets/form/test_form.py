"""Forms that are made from the schema: every option has a row, and what is typed there is the value."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft, plain_values
from wmse_tui.config.fields import group_of, groups
from wmse_tui.config.loading import find_preset, load_experiment
from wmse_tui.config.names import choices_of, dotted_names, option_names, sections, unions
from wmse_tui.config.problems import ConfigError
from wmse_tui.tui.dialogs import Pick
from wmse_tui.tui.widgets.form.form import Form, row_state
from wmse_tui.tui.widgets.form.row import FieldEditor, FieldRow

pytestmark = pytest.mark.asyncio
GROUPS = {group.name: group for group in groups()}


class Bare(App[None]):
    """A form and nothing else; what is edited is kept, as the screen keeps it."""

    ascii = False
    CSS = "Form { height: 1fr; } FieldRow { height: auto; } FieldEditor { position: absolute; height: 1; }"

    def __init__(self, draft: Draft, group: str) -> None:
        super().__init__()
        self.draft, self.group = draft, GROUPS[group]
        self.advice: tuple[Advice, ...] = ()

    def compose(self) -> ComposeResult:
        yield Form()

    def on_mount(self) -> None:
        self.form.show(self.draft, (self.group,))

    @property
    def form(self) -> Form:
        return self.query_one(Form)

    def on_field_row_edited(self, event: FieldRow.Edited) -> None:
        self.draft = self.draft.with_value(event.path, self.draft.fields[event.path].value(event.text))
        self.form.show(self.draft, (self.group,), self.advice)


def bare(preset: str = "cifar10", group: str = "method", **changes: Any) -> Bare:
    draft = Draft(find_preset(preset))
    for path, value in changes.items():
        draft = draft.with_value(path.replace("__", "."), value)
    return Bare(draft, group)


def text(app: App[Any]) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def go_to(pilot: Pilot[Any], path: str) -> FieldRow:
    app = pilot.app
    assert isinstance(app, Bare)
    row = app.form.rows[path]
    row.focus()
    await pilot.pause()
    return row


VARIANTS = [(name, union.tag, value) for name, union in unions().items() for value in union.classes]


async def test_every_option_of_every_variant_has_a_row() -> None:
    app = bare()
    base = app.draft
    async with app.run_test(size=(80, 60)) as pilot:
        rows: list[str] = []
        for group in groups():
            app.form.show(base, (group,))
            await pilot.pause()
            assert [row.path for row in app.query(FieldRow)] == list(app.form.rows)
            rows += app.form.rows
        assert sorted(rows) == sorted({*dotted_names(base.merged)} - {*sections()})
        for section, tag, value in VARIANTS:
            draft = base.with_value(f"{section}.{tag}", value)
            app.form.show(draft, (group_of(f"{section}.{tag}"),))
            await pilot.pause()
            expected = [path for path in option_names(draft.merged) if path.startswith(f"{section}.")]
            shown = [row.path for row in app.query(FieldRow) if row.path.startswith(f"{section}.")]
            assert shown == expected


@pytest.mark.parametrize("group", GROUPS)
async def test_typing_into_every_row_changes_the_experiment(group: str) -> None:
    app = bare(group=group)
    async with app.run_test(size=(80, 60)) as pilot:
        start = app.draft
        for path in tuple(app.form.rows):
            row = app.form.rows[path]
            option = row.state.option
            if option.fixed:
                row.action_cycle(1)
                expected = None
            else:
                new = {"folder": "/x", "text": "cuda:1", "list": "0.5, 0.6, 0.7"}.get(option.kind, "3")
                new = "3, 2" if option.bounds.startswith(("2 numbers", "at most 100")) else new
                row.action_begin()
                await pilot.pause()
                assert row.editor is not None
                row.editor.value = new
                expected = option.value(new)
            await pilot.pause()
            assert app.draft.changed(path)
            assert app.draft.values[path] != start.values[path]
            assert expected is None or app.draft.values[path] == expected
            if app.draft.experiment is not None:
                assert plain_values(app.draft.experiment)[path] == app.draft.values[path]
            else:
                assert app.draft.problems
            row.end_editing()
            app.draft = start
            app.form.show(start, (app.group,))
            await pilot.pause()  # the focus goes back to the row; other rows may have to be made again


async def test_a_row_shows_title_value_unit_and_marks() -> None:
    app = bare(method__whitening_size=96)
    async with app.run_test(size=(70, 20)):
        lines = text(app).splitlines()
        assert lines[0] == "  ▸Method                   ‹ w_mse ›"
        assert lines[1] == "•  Whitening size           96 images"
        assert lines[2] == "   Slicings per step        1"


async def test_problems_are_shown_below_the_value_while_it_is_typed() -> None:
    app = bare()
    async with app.run_test(size=(70, 20)) as pilot:
        await go_to(pilot, "method.whitening_size")
        await pilot.press("enter", "6")
        await pilot.pause()
        assert "6 images cannot whiten 64 dimensions; use more than 64;" in text(app)
        await pilot.press("x")
        await pilot.pause()
        assert "expected a whole number, got '6x'" in text(app)
        await pilot.press("backspace", "4", "0", "0")
        await pilot.pause()
        assert app.draft.values["method.whitening_size"] == 6400
        assert text(app).splitlines()[2].startswith("   Slicings"), "the message is gone"


async def test_advice_names_the_key_that_applies_it() -> None:
    draft = bare().draft
    fixes = (("method.eps", "0.1"), ("method.operator", "")), (("method.eps", "0.1"),), ()
    advice = [Advice("method.eps", "warning", "be careful", fix) for fix in fixes]
    assert row_state(draft, "method.eps", advice, "Y").warnings == (
        "be careful. Y sets 0.1, method.operator to no value",
        "be careful. Y sets 0.1",
        "be careful",
    )


async def test_a_warning_is_shown_below_its_option() -> None:
    app = bare()
    app.advice = (Advice("method.eps", "warning", "be careful"), Advice("method.eps", "info", "not this"))
    state = row_state(app.draft, "method.eps", app.advice)
    assert state.warnings == ("be careful",)
    async with app.run_test(size=(70, 20)) as pilot:
        app.form.show(app.draft, (app.group,), app.advice)
        await pilot.pause()
        assert "\n ! Shrinkage                0\n    be careful\n" in text(app)
        assert "be careful" in text(app)


@pytest.mark.parametrize("key", ["2", "minus", "full_stop", "backspace", "h", "l", "left", "right", "j", "k"])
@pytest.mark.parametrize("path", ["method.whitening_size", "method.name", "method.normalize"])
async def test_no_key_that_moves_or_names_a_screen_changes_a_value(path: str, key: str) -> None:
    app = bare()
    async with app.run_test(size=(70, 20)) as pilot:
        await go_to(pilot, path)
        await pilot.press(key)
        await pilot.pause()
        assert not app.draft.active
        assert not app.query(FieldEditor)


async def test_enter_begins_a_number_and_escape_gives_up() -> None:
    app = bare()
    async with app.run_test(size=(70, 20)) as pilot:
        row = await go_to(pilot, "method.whitening_size")
        await pilot.press("enter", "2", "5", "6")
        await pilot.pause()
        assert row.editor is not None
        assert row.editor.has_focus
        assert app.draft.values["method.whitening_size"] == 256
        await pilot.press("escape")
        await pilot.pause()
        assert row.has_focus
        assert app.draft.values["method.whitening_size"] == 128
        assert not app.draft.active


async def test_enter_begins_with_the_value_selected_and_arrows_end() -> None:
    app = bare()
    async with app.run_test(size=(70, 20)) as pilot:
        await go_to(pilot, "method.whitening_size")
        await pilot.press("enter", "5", "1", "2", "down")
        await pilot.pause()
        assert app.draft.values["method.whitening_size"] == 512
        assert app.focused is app.form.rows["method.iterations"]
        assert not app.query(FieldEditor)
        await pilot.press("up", "enter", "backspace")
        await pilot.pause()
        assert app.draft.values["method.whitening_size"] == "", "nothing is a value, though a wrong one"
        await pilot.press("tab")
        await pilot.pause()
        assert not app.query(FieldEditor)


async def test_letters_are_not_typed_into_a_row() -> None:
    app = bare(group="run")
    async with app.run_test(size=(70, 20)) as pilot:
        row = await go_to(pilot, "title")
        await pilot.press("x", "5")
        await pilot.pause()
        assert app.focused is row
        assert not app.draft.active
        await pilot.press("enter", "x", "5", "enter")
        await pilot.pause()
        assert app.draft.values["title"] == "x5", "typing replaces a text"
        await pilot.press("enter", "end", "6", "enter")
        await pilot.pause()
        assert app.draft.values["title"] == "x56", "an arrow key keeps it"


async def test_arrows_and_space_turn_choices() -> None:
    app = bare()
    async with app.run_test(size=(70, 20)) as pilot:
        await go_to(pilot, "method.normalize")
        assert "‹ true ›" in text(app)
        await pilot.press("space")
        await pilot.pause()
        assert app.draft.values["method.normalize"] is False
        await go_to(pilot, "method.name")
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert app.draft.values["method.name"] == "simclr"
        assert list(app.form.rows) == ["method.name", "method.temperature", "method.output_batch_norm"]
        assert app.focused is app.form.rows["method.name"], "the row that stays keeps the focus"
        await pilot.press("less_than_sign", "less_than_sign")
        await pilot.pause()
        assert app.draft.values["method.name"] == list(unions()["method"].classes)[-1]


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("method.name", "method"),
        ("method.operator", "method"),
        ("backbone.whitening", "backbone"),
        ("backbone.norm", "backbone"),
        ("optimizer.name", "optimizer"),
    ],
)
async def test_each_method_operator_layer_norm_and_optimizer_is_reached_by_turning(
    path: str, group: str
) -> None:
    app = bare(group=group)
    async with app.run_test(size=(70, 40)) as pilot:
        await go_to(pilot, path)
        met = []
        for _ in choices_of(path):
            await pilot.press("greater_than_sign")
            await pilot.pause()
            chosen = app.draft.values[path]
            met.append(chosen)
            assert f"‹ {chosen} ›" in text(app)
            if app.draft.experiment is None:
                with pytest.raises(ConfigError) as caught:
                    load_experiment(preset="cifar10", overrides=[f"{path}={chosen}"])
                expected = [problem.message for problem in caught.value.problems]
                assert [problem.message for problem in app.draft.problems] == expected
            else:
                wanted = load_experiment(preset="cifar10", overrides=[f"{path}={chosen}"])
                assert app.draft.experiment == wanted
        assert sorted(met) == sorted(choices_of(path))


async def test_enter_lists_all_choices() -> None:
    app = bare(group="backbone")
    async with app.run_test(size=(70, 30)) as pilot:
        await go_to(pilot, "backbone.arch")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Pick)
        await pilot.press("w", "enter")
        await pilot.pause()
        assert str(app.draft.values["backbone.arch"]).startswith("w"), "a letter goes to the next such choice"
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("G", "enter")
        await pilot.pause()
        assert app.draft.values["backbone.arch"] == "cifar_resnet56"
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert app.draft.values["backbone.arch"] == "cifar_resnet56"


async def test_sections_of_a_group_have_headings_which_stay_with_their_rows() -> None:
    app = bare(group="optimizer")
    async with app.run_test(size=(70, 30)) as pilot:
        await go_to(pilot, "optimizer.name")
        await pilot.press("greater_than_sign", "greater_than_sign")
        await pilot.pause()
        titles = [line.strip(" •▸").split("  ")[0] for line in text(app).splitlines() if line.strip()]
        assert titles[:4] == ["Optimizer", "Optimizer", "Learning rate", "Weight decay"]
        assert titles[4:8] == ["Momentum", "Nesterov", "Schedule", "Schedule"]
        await go_to(pilot, "schedule.kind")
        await pilot.press("greater_than_sign")
        await pilot.pause()
        assert list(app.form.rows)[-1] == "schedule.final_factor"
        assert text(app).count("Final share") == 1
        assert "Milestones" not in text(app)


async def test_first_and_last() -> None:
    app = bare(group="augmentation")
    async with app.run_test(size=(70, 8)) as pilot:
        await go_to(pilot, "augmentation.views")
        await pilot.press("G")
        await pilot.pause()
        assert app.focused is app.form.rows["augmentation.blur_sigma"]
        assert "Blur width" in text(app), "it scrolls there"
        await pilot.press("g", "k")
        await pilot.pause()
        assert app.focused is app.form.rows["augmentation.views"]


async def test_a_reset_reaches_the_line_that_is_typed_in() -> None:
    app = bare(method__whitening_size=256)
    async with app.run_test(size=(70, 20)) as pilot:
        row = await go_to(pilot, "method.whitening_size")
        await pilot.press("enter", "9")
        await pilot.pause()
        row.end_editing()
        app.draft = app.draft.without("method.whitening_size")
        app.form.show(app.draft, (app.group,))
        await pilot.pause()
        assert "128 images" in text(app)
        assert app.focused is row


@pytest.mark.parametrize(
    "title", ["[/red] [@click=app.quit]x[/]", "\x1b]52;c;eA==\x07\x1b[2J", "\u202ereversed"]
)
async def test_text_from_a_file_is_shown_harmlessly(title: str) -> None:
    app = bare(group="run", title=title)
    async with app.run_test(size=(90, 20)):
        shown = text(app)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "Title" in shown


async def test_a_value_that_does_not_fit_is_cut(tmp_path: Any) -> None:
    app = bare(group="dataset", dataset__root="/a/very/long/path/to/somewhere/that/is/far/away/images")
    async with app.run_test(size=(60, 20)):
        line = next(line for line in text(app).splitlines() if "Folder" in line)
        assert line.endswith("away/images")
        assert "…" in line
        assert len(line) <= 60


async def test_wide_characters_are_cut_by_the_cells_they_take() -> None:
    app = bare(group="run", title="\u4e2d" * 60)
    async with app.run_test(size=(70, 20)):
        lines = text(app).splitlines()
        assert lines[0].count("\u4e2d") < 25
        assert lines[1].startswith("   Seed"), "the value does not go on in the next line"


async def test_the_first_click_goes_to_a_row_and_the_next_one_edits() -> None:
    app = bare()
    async with app.run_test(size=(70, 20)) as pilot:
        row = app.form.rows["method.whitening_size"]
        await pilot.click(row)
        assert row.has_focus
        assert row.editor is None
        await pilot.click(row)
        await pilot.pause()
        assert row.editor is not None


@pytest.mark.parametrize("size", [(20, 4), (30, 5), (200, 60)])
async def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    app = bare(group="optimizer", optimizer__lr="x" * 300)
    async with app.run_test(size=size) as pilot:
        await go_to(pilot, "optimizer.lr")
        await pilot.press("enter")
        await pilot.pause()
        assert text(app)
