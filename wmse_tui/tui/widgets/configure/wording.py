"""The texts of the Configure screen on presets, options, problems and advice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.content import Content

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft
from wmse_tui.config.fields import FieldGroup, groups
from wmse_tui.config.figures import whitening_summary
from wmse_tui.config.schema import Experiment
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count, duration
from wmse_tui.tui.keys import USUAL_NAMES, KeyNames
from wmse_tui.tui.widgets.configure.preset_library import Entry, plain_text
from wmse_tui.tui.widgets.paragraphs import Paragraph

_LONG = 20  # characters of a value that a row may have to cut off
_KINDS = {
    "shipped": "",
    "user": "Your own preset.",
    "file": "A file.",
    "copy": "The configuration of a run.",
    "images": "Proposed for a folder of your own images.",
}


def details(
    draft: Draft | None, entry: Entry | None, topic: str, found: Sequence[Paragraph], keys: KeyNames
) -> Content:
    """What an option or a section is, as `topic` names it; of anything else, what the preset is.

    `found` are the findings on the draft that are shown nowhere else.
    """
    group = next((group for group in groups() if group.name == topic), None)
    if draft is not None and topic in draft.fields:
        return about_option(draft, topic, first_elsewhere(found, topic), keys)
    if draft is not None and group is not None:
        return about_group(group)
    if entry is None:
        return Content("There are no presets.")
    return about_entry(entry, next(iter(found), None))


def about_entry(entry: Entry, start: Paragraph | None = None) -> Content:
    """What a preset is and which published number it reproduces, with its source or unverified.

    `start` is the first finding on it, for a screen that shows it nowhere else.
    """
    if entry.draft is None:
        broken = Content.styled("This preset cannot be used: ", "bold $error")
        return broken + Content(safe(entry.problem, 500))
    lines = [Content.styled(safe(entry.experiment.title, 200) if entry.experiment else "", "bold")]
    lines.append(published(entry))
    if start is not None:
        lines.append(Content.styled(f"{start.head} {safe(start.text, 400)}".strip(), start.style))
    origin = [_KINDS[entry.kind]]
    if entry.kind == "user" and entry.draft.base.extends is not None:
        origin.append(f"It extends {entry.draft.base.extends}.")
    if entry.hides:
        origin.append("It hides the preset of that name that comes with the program.")
    if entry.kind == "file":
        origin.append(str(entry.draft.base.file))
    lines.append(Content.styled(safe(" ".join(filter(None, origin)), 400), "$text-muted"))
    return Content("\n").join(line for line in lines if line.plain)


def published(entry: Entry) -> Content:
    """The published numbers of a preset with their source."""
    paper = entry.paper
    if paper is None:
        return Content("It reproduces no published number.") if entry.kind == "shipped" else Content("")
    if entry.unverified:
        note = safe(paper.note, 400).removeprefix("unverified:").strip()
        where = f" {safe(paper.source, 400)}" if paper.source else ""
        return Content.styled("Published number unverified", "$warning") + Content(
            f": {note}.{where}." if note else f".{where}."
        )
    accuracies = (("linear", paper.linear), ("5-NN", paper.knn))
    numbers = [f"{name} {value:.2f} %" for name, value in accuracies if value is not None]
    tail = f" ({safe(paper.source, 400)})" if paper.source else ""
    note = f" Note: {safe(paper.note, 400)}." if paper.note else ""
    return Content(f"Published: {', '.join(numbers)}{tail}.{note}")


def about_option(
    draft: Draft, path: str, elsewhere: Paragraph | None = None, keys: KeyNames = USUAL_NAMES
) -> Content:
    """The help of an option: what it is, its bounds, and what it would be without the change.

    `elsewhere` is a problem or warning of another option, for a screen that shows it nowhere else.
    """
    option, text = draft.fields[path], draft.fields[path].text(draft.values[path])
    facts = []
    if draft.changed(path):
        before, reset = plain_text(draft, path, draft.reference(path)), keys.name("configure-reset")
        facts.append(f"it was {safe(before, 60)}, {reset} resets it")
    facts += [option.bounds] if option.bounds else []
    facts += [option.unit] if option.unit else []
    facts += [", ".join(option.choices)] if option.kind == "choice" and len(option.choices) <= 5 else []
    lines = [Content.styled(safe(text, 400), "bold")] if len(text) > _LONG else []
    lines.append(Content(safe(option.description, 400)))
    if elsewhere is not None:
        lines.append(Content.styled(f"{elsewhere.head} {safe(elsewhere.text, 400)}", elsewhere.style))
    if facts:
        lines.append(Content.styled(" · ".join(facts), "$text-muted"))
    lines.append(Content.styled(path, "$text-disabled"))
    return Content("\n").join(lines)


def about_group(group: FieldGroup) -> Content:
    """What a section is about, from the schema."""
    fields = Experiment.model_fields
    return Content("\n").join(
        Content.styled(f"{fields[name].title}: ", "bold") + Content(fields[name].description or "")
        for name in group.members
    )


def state_of(draft: Draft | None, advice: Sequence[Advice], name: str = "") -> str:
    """The name of the run, in how many things it differs, how many are wrong: `2 changed · 1 problem`."""
    if draft is None:
        return ""
    warnings = sum(a.level == "warning" for a in advice)
    parts = [f"run {name}"] if name else []
    parts += [f"{len(draft.active)} changed"] if draft.active else []
    parts += [count(len(draft.problems), "problem")] if draft.problems else []
    parts += [count(warnings, "warning")] if warnings else []
    return " · ".join(parts)


def first_elsewhere(found: Iterable[Paragraph], path: str) -> Paragraph | None:
    """The first problem or warning that is not about this option."""
    return next((one for one in found if one.head == "!" and not one.text.startswith(f"{path}:")), None)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a start on this machine.

    Args:
        checked: its images and the GPUs were looked for; until then no run is called ready.
        obstacle: why no run can be written, or "".
        seconds: how long it takes; None where that is unknown.
        rough: that may be wrong by a factor of three.
    """

    checked: bool
    obstacle: str = ""
    seconds: float | None = None
    rough: bool = False

    def ready(self) -> Paragraph:
        """The line of a draft with which nothing is wrong."""
        if not self.checked:
            return Paragraph("·", "Checking the images and the device.", "$text-muted")
        about = "Roughly" if self.rough else "About"
        time = "" if self.seconds is None else f" {about} {duration(self.seconds)}."
        return Paragraph("✓", f"Ready to launch.{time}", "", "bold $success")


def findings(draft: Draft | None, advice: Iterable[Advice], outlook: Outlook) -> tuple[Paragraph, ...]:
    """All problems, then all advice."""
    if draft is None:
        return (Paragraph("", "Nothing to check.", "$text-muted"),)
    found = [Paragraph("!", outlook.obstacle, "$error", "bold $error")] if outlook.obstacle else []
    for problem in draft.problems:
        path = f"{problem.path}: " if problem.path else ""
        text = f"{path}{problem.message}" + (f"; {problem.fix}" if problem.fix else "")
        found.append(Paragraph("!", text, "$error", "bold $error"))
    for one in advice:
        style = "$warning" if one.level == "warning" else ""
        mark = ("!", "bold $warning") if style else ("·", "$text-muted")
        found.append(Paragraph(mark[0], f"{one.path}: {one.text}", style, mark[1]))
    if not found:
        found.append(outlook.ready())
    whitening = whitening_summary(draft.experiment) if draft.experiment is not None else ""
    if whitening and not any(one.text.startswith("method.whitening_size:") for one in found):
        found.append(Paragraph("·", whitening, "$text-muted"))
    return tuple(found)
