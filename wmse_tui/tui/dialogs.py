"""Every question and notice over a screen: a few answers, a line of text, one of a list, some runs.

A dialog answers by its result, so a screen asks in one line: `await self.app.push_screen_wait(Confirm(...))`.
Escape always gives the safe answer. Texts that are passed in must be sanitised, except where a class says
that it does so itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.errors import RunsError
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.tui import keys
from wmse_tui.tui.services import ServicesApp
from wmse_tui.tui.widgets.vi import AnswerButton, KeyList

Result = TypeVar("Result")
Item = TypeVar("Item")
_PICKED_FROM = 200  # runs in a RunPicker: the newest


class Dialog(ModalScreen[Result]):
    """The base of all dialogs; Escape dismisses it without a result."""

    BINDINGS = keys.bindings(("escape", "dismiss(None)", "Cancel"))

    def on_mount(self) -> None:
        self.set_class(isinstance(self.app, ServicesApp) and self.app.ascii, "-ascii")

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Dismiss the dialog with a result. Its workers end before its widgets do, which they update."""
        self.workers.cancel_node(self)
        return super().dismiss(result)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """An answer of a Choose: its result, the label of its button, and the letter that chooses it."""

    result: Result
    label: str
    key: str
    variant: Literal["default", "primary", "warning", "error"] = "default"


class Choose(Dialog[Result]):
    """A question with a few answers, each a letter and a button; Escape gives the last one, which is safe.

    Letters only answer; arrows and tab move the focus among the buttons. Without a letter of their own, `q`,
    `c` and `n` give the safe answer too.

    Args:
        title: in the border.
        text: the question.
        answers: the safe one last.
        focus: which answer has the focus at first.
    """

    BINDINGS = keys.bindings(("left", "app.focus_previous"), ("right", "app.focus_next"))

    def __init__(self, title: str, text: str, *answers: Answer[Result], focus: int = 0) -> None:
        super().__init__()
        self._title, self._text, self._answers, self._focus = title, text, answers, focus
        self._by_key = {answer.key: answer for answer in answers}
        for key in ("escape", "q", "c", "n"):
            self._by_key.setdefault(key, answers[-1])

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield from self.body()
            with Horizontal(classes="buttons"):
                for answer in self._answers:
                    shown = "esc" if answer.key == "escape" else answer.key
                    label = Content(f"{answer.label} ({shown})")
                    yield AnswerButton(label, id=f"answer-{answer.key}", variant=answer.variant)

    def body(self) -> ComposeResult:
        """The question."""
        yield Static(self._text, markup=False)

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(f"#answer-{self._answers[self._focus].key}").focus()

    def on_key(self, event: Key) -> None:
        answer = self._by_key.get(event.key)
        if answer is not None:
            event.stop()
            self.dismiss(answer.result)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self._by_key[str(event.button.id).removeprefix("answer-")].result)


class Confirm(Choose[bool]):
    """A question with yes and no; where yes does damage, no has the focus at first."""

    def __init__(
        self, title: str, text: str, *, yes: str = "Yes", no: str = "No", danger: bool = False
    ) -> None:
        super().__init__(
            title,
            text,
            Answer(True, yes, "y", "error" if danger else "primary"),
            Answer(False, no, "n"),
            focus=1 if danger else 0,
        )


class Ask(Dialog[str]):
    """A question with a line of text for an answer; Escape answers None.

    Args:
        title: in the border.
        text: the question.
        value: the line at first.
        placeholder: shown while the line is empty.
        check: a sentence on what is wrong with a value, or "".
        line: the widget of the line.
    """

    def __init__(
        self,
        title: str,
        text: str,
        *,
        value: str = "",
        placeholder: str = "",
        check: Callable[[str], str] = lambda _: "",
        line: type[Input] = Input,
    ) -> None:
        super().__init__()
        self._title, self._text, self._value, self._placeholder = title, text, value, placeholder
        self._check, self._line = check, line

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(self._text, markup=False)
            line = self._line(self._value, placeholder=self._placeholder)
            line.cursor_blink = False
            yield line
            yield Static("", markup=False, classes="problem")
            yield Static("Enter accepts, escape cancels.", markup=False, classes="hint")

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one(".problem", Static).update(self._check(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._check(event.value):
            self.dismiss(event.value)


class Pick(Dialog[str]):
    """One of a list of choices; `current` is under the cursor at first. Escape answers None.

    A letter goes to the next choice that begins with it; those that move or cancel do so where none does.
    """

    BINDINGS = keys.bindings(("q", "dismiss(None)"))

    def __init__(self, title: str, text: str, choices: tuple[str, ...], current: str) -> None:
        super().__init__()
        self._title, self._text, self._choices, self._current = title, text, choices, current

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(self._text, markup=False)
            yield KeyList(*(Option(Content(choice), id=choice) for choice in self._choices))

    def on_mount(self) -> None:
        super().on_mount()
        choices = self.query_one(KeyList)
        choices.highlighted = self._choices.index(self._current) if self._current in self._choices else 0
        choices.focus()

    def on_key(self, event: Key) -> None:
        """Go to the next choice that begins with the typed letter."""
        letter = event.character or ""
        listed = self.query_one(KeyList)
        at = -1 if listed.highlighted is None else listed.highlighted
        order = [*range(at + 1, len(self._choices)), *range(at + 1)]
        found = [index for index in order if letter.isalnum() and self._choices[index].startswith(letter)]
        if found:
            event.stop()
            event.prevent_default()
            listed.highlighted = found[0]

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


class MarkingDialog(Dialog[Result]):
    """A list in which Space (or a click) marks items and Enter accepts; the base of the dialogs that do so.

    Not Textual's SelectionList: its marks differ by colour alone, and some terminals have no colours.

    Args:
        title: in the border.
        many: how many items there are.
        marked: the indices of those that are marked at first.
        most: how many can be marked; None: all.
        of: what an item is, in the plural with a space before it; may be empty.
        hint: below the list.
        current: the index of the item under the cursor at first.
    """

    BINDINGS = [  # noqa: RUF012 (Textual's type)
        *keys.bindings(("q", "dismiss(None)")),
        *keys.PICKER,
    ]

    def __init__(
        self,
        title: str,
        many: int,
        marked: Iterable[int] = (),
        *,
        most: int | None = None,
        of: str = "",
        hint: str,
        current: int = 0,
    ) -> None:
        super().__init__()
        self._title, self._many, self._most, self._of, self._hint = title, many, most, of, hint
        self._current = current
        self._marked = list(marked)  # in the order of the marks

    def prompt(self, index: int) -> Content:
        """What the list shows of an item."""
        raise NotImplementedError

    def answer(self, marked: Sequence[int], current: int | None) -> Result | None:
        """The answer: indices in the order of their marks, and the one under the cursor."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog marking") as box:
            box.border_title = Content(self._title)
            yield KeyList(*(Option(self.prompt(index)) for index in range(self._many)))
            yield Static("", markup=False, classes="problem")
            yield Static(self._hint, markup=False, classes="hint")

    def on_mount(self) -> None:
        super().on_mount()
        listed = self.query_one(KeyList)
        listed.highlighted = self._current if self._many else None
        listed.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click marks an item too."""
        event.stop()
        self._toggle(event.option_index)

    def action_mark(self) -> None:
        """Mark the item under the cursor, or remove its mark; one too many is refused."""
        index = self.query_one(KeyList).highlighted
        if index is not None:
            self._toggle(index)

    def _toggle(self, index: int) -> None:
        problem = ""
        changed = {index, *self._marked}  # a prompt may number the marks
        if index in self._marked:
            self._marked.remove(index)
        elif self._most is None or len(self._marked) < self._most:
            self._marked.append(index)
        else:
            problem = f"{self._most}{self._of} are marked already; remove a mark first."
        self.query_one(".problem", Static).update(problem)
        for each in changed:
            self.query_one(KeyList).replace_option_prompt_at_index(each, self.prompt(each))

    def action_accept(self) -> None:
        """Answer."""
        answer = self.answer(tuple(self._marked), self.query_one(KeyList).highlighted)
        if answer is not None:
            self.dismiss(answer)


class MarkPicker(MarkingDialog[tuple[Item, ...]], Generic[Item]):
    """Marks some items of a list; answers the marked ones in the order of the list, or None.

    Args:
        title: in the border.
        items: to choose from.
        labels: what the list shows of each; sanitised.
        marked: the indices of those that are marked at first.
        most: how many can be marked; None: all.
        hint: below the list.
    """

    def __init__(
        self,
        title: str,
        items: Iterable[Item],
        labels: Iterable[str],
        marked: Iterable[int],
        *,
        most: int | None = None,
        hint: str,
    ) -> None:
        self._items, self._labels = tuple(items), tuple(labels)
        super().__init__(title, len(self._items), marked, most=most, of=" runs", hint=hint)

    def prompt(self, index: int) -> Content:
        """A mark and the label."""
        return Content(f"{'[x]' if index in self._marked else '[ ]'} {self._labels[index]}")

    def add_item(self, item: Item, label: str) -> None:
        """Add an item to the end, marked; one that is listed is marked where it is. The cursor goes there."""
        listed = self.query_one(KeyList)
        if item not in self._items:
            self._items, self._labels = (*self._items, item), (*self._labels, label)
            listed.add_option(Option(""))
        index = self._items.index(item)
        if index not in self._marked:
            self._toggle(index)
        else:
            listed.replace_option_prompt_at_index(index, self.prompt(index))
        listed.highlighted = index

    def answer(self, marked: Sequence[int], current: int | None) -> tuple[Item, ...]:  # noqa: ARG002
        """The marked items, in the order of the list."""
        return tuple(self._items[index] for index in sorted(marked))


class RunPicker(MarkPicker[RunDirectory]):
    """Marks some runs.

    Args:
        title: in the border.
        runs: to choose from, newest first; those that are marked at first come before them.
        marked: at first, in their order.
        most: how many can be marked.
        accept: what Enter does with the marked ones, as in "compares".
    """

    def __init__(
        self,
        title: str,
        runs: Iterable[RunDirectory],
        marked: tuple[RunDirectory, ...],
        *,
        most: int,
        accept: str,
    ) -> None:
        listed = (*marked, *[run for run in runs if run not in marked][:_PICKED_FROM])
        super().__init__(
            title,
            listed,
            (safe(run.id, 58) for run in listed),
            range(len(marked)),
            most=most,
            hint=f"Space marks a run, {most} at most; Enter {accept} the marked ones.",
        )


class ProblemDialog(Dialog[None]):
    """A problem: what it is, the evidence, and what to do next. Sanitises its texts."""

    BINDINGS = [  # noqa: RUF012 (Textual's type)
        *keys.bindings(("q,enter", "dismiss(None)")),
        *keys.VI_ARROWS,
    ]

    def __init__(self, title: str, detail: str = "", steps: tuple[str, ...] = ()) -> None:
        super().__init__()
        same = detail.casefold().rstrip(".") == title.casefold().rstrip(".")
        self._title, self._detail, self._steps = title, "" if same else detail, steps

    @classmethod
    def of(cls, title: str, error: RunsError | ConfigError | OSError) -> ProblemDialog:
        """The notice of an error; `title` says what it prevents, for errors that do not say so."""
        if isinstance(error, RunsError):
            return cls(error.title, error.detail, error.next)
        if isinstance(error, OSError):
            return cls(title, f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        return cls(title, "\n".join(problem.text() for problem in error.problems))

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as box:
            box.border_title = Content("Error")
            lines = [Content.styled(safe(self._title, 400), "bold $error")]
            lines += [Content(safe(line, 600)) for line in self._detail.splitlines()[:60]]
            lines += [Content.styled("-> ", "$accent") + Content(safe(step, 400)) for step in self._steps]
            yield Static(Content("\n").join(lines), markup=False)
            yield Static("Escape closes.", markup=False, classes="hint")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(VerticalScroll).focus()


class CopyText(Dialog[None]):
    """A text that was sent to the clipboard and can be selected here. Sanitises it."""

    BINDINGS = keys.bindings(("q", "dismiss(None)"), ("c", "copy", "Copy again"))

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, safe(text)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = Content(self._title)
            text = TextArea(self._text, read_only=True, compact=True, highlight_cursor_line=False)
            text.cursor_blink = False
            yield text
            yield Static(
                "It was sent to the clipboard. A terminal that forbids it (tmux without `set-clipboard on`) "
                "lets you select it here: shift and arrows, ctrl+c, or the mouse with shift. Escape closes.",
                markup=False,
                classes="hint",
            )

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(TextArea).focus()

    def action_copy(self) -> None:
        """Copy the whole text again."""
        self.app.copy_to_clipboard(self._text)
