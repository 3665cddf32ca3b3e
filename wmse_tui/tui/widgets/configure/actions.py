"""What a person can do with a draft: launch it, save it, load another, say it as a command, name its run."""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from textual import work

from wmse_tui.config.advice import Advice
from wmse_tui.config.draft import Draft, command_line, name_fault, preset_file, save_preset
from wmse_tui.config.locations import expanded, runs_dir
from wmse_tui.config.problems import ConfigError
from wmse_tui.runs.directory import check_name
from wmse_tui.runs.errors import BadRunName, RunsError
from wmse_tui.runs.text.sanitize import safe
from wmse_tui.runs.text.units import count
from wmse_tui.tui.screens.ask import AskScreen, ConfirmScreen
from wmse_tui.tui.screens.base import AppScreen
from wmse_tui.tui.screens.queue import BusyScreen
from wmse_tui.tui.widgets.configure.preset_library import PresetLibrary, file_entry
from wmse_tui.tui.widgets.configure.trouble import TroubleScreen


class DraftActions(AppScreen):
    """The actions of the Configure screen that ask, write or start something.

    Attributes:
        bench: presets and drafts.
        run_name: of the next run; "": it is named by the time it starts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bench = PresetLibrary()
        self.run_name = ""
        self._starting = False
        self._accepted: set[str] = set()

    # What the screen provides

    @abstractmethod
    def redraw(self) -> None:
        """Show the bench as it is now."""

    @abstractmethod
    def remarks(self) -> Sequence[Advice]:
        """All advice on the draft."""

    @abstractmethod
    def go_to_problem(self) -> None:
        """Put the focus on the first thing that is wrong."""

    @abstractmethod
    def rest_inspector(self) -> None:
        """The inspector is not needed for a while: let go of its memory."""

    # Launch

    def action_launch(self, how: str = "own") -> None:
        """Start a trainer on the draft and show the run.

        "detached": stay here, and leaving asks nothing; "queued": the same, when it is its turn. Where others
        train already, a launch asks whether to queue instead.
        """
        draft = self._right_draft("be launched")
        if draft is None or self._starting:
            return
        warnings = [f"{a.path}: {a.text}" for a in self.remarks() if a.level == "warning"]
        fresh = [text for text in warnings if text not in self._accepted]

        def answered(yes: bool | None) -> None:
            if yes:
                self._accepted.update(fresh)
                self._start(draft, how)

        if not fresh:
            answered(True)
            return
        text = "\n".join(f"! {safe(warning, 500)}" for warning in fresh)
        title = f"Launch with {count(len(fresh), 'warning')}?"
        self.app.push_screen(ConfirmScreen(title, text, yes="Launch", no="Back"), answered)

    @work(group="launch", exit_on_error=True)
    async def _start(self, draft: Draft, how: str) -> None:
        experiment = draft.experiment
        if experiment is None or self._starting:
            return
        self._starting = True
        name = self.run_name or None
        try:
            if how != "queued":
                crowd = await asyncio.to_thread(self.services.trainers.busy_reason, experiment)
                answer: str | None = "now"
                if crowd:
                    answer = await self.app.push_screen_wait(BusyScreen(crowd))
                if answer is None:
                    return
                how = "queued" if answer == "queue" else how
            self.rest_inspector()
            run = await asyncio.to_thread(
                self.services.trainers.start,
                experiment,
                preset=draft.base.preset,
                name=name,
                own=how == "own",
                queue=how == "queued",
            )
        except (RunsError, ConfigError, OSError) as error:
            self.app.push_screen(TroubleScreen.of("the run cannot be started", error))
            return
        finally:
            self._starting = False
        self.run_name = ""
        self.redraw()
        if how == "own":
            await self.services.open_run(run)
            return
        self.services.feed.nudge()
        if how == "queued":
            self.services.notify(f"{run.id} starts when it is its turn; Runs shows its place", title="Queued")
        else:
            self.services.notify(
                f"{run.id} is on its way; wmse-tui attach {run.id} shows it", title="Launched"
            )

    # Save and load

    def action_save(self) -> None:
        """Ask for a name and write the draft into the folder of the user's presets."""
        draft = self._right_draft("be saved")
        entry = self.bench.entry
        if draft is None or entry is None:
            return

        def named(name: str | None) -> None:
            if name:
                self._save(draft, name)

        own = entry.key if entry.kind == "user" else f"{draft.base.name.partition('.')[0]}-mine"
        self.app.push_screen(
            AskScreen(
                "Save as preset",
                "Name of the preset; it says what it extends and what differs from that.",
                value=own,
                check=name_fault,
            ),
            named,
        )

    @work(group="save")
    async def _save(self, draft: Draft, name: str) -> None:
        file = preset_file(name)
        if await asyncio.to_thread(os.path.lexists, file):
            question = ConfirmScreen(
                "Replace?",
                f"There is a preset {safe(name, 80)} of yours already:\n{safe(str(file), 300)}",
                yes="Replace",
                no="Keep",
                danger=True,
            )
            if not await self.app.push_screen_wait(question):
                return
        try:
            await asyncio.to_thread(save_preset, draft, name)
        except ConfigError as error:
            self.app.push_screen(TroubleScreen.of("the preset cannot be saved", error))
            return
        entry = self.bench.entry
        if entry is not None and entry.key != name and entry.kind != "copy":
            self.bench.reset_all()  # what was changed there is in the new preset now
        self.bench.read_again(name)
        self.bench.choose(name)
        self.redraw()
        self.services.notify(str(file), title="Saved")

    def action_load(self) -> None:
        """Ask for a file, or the folder of a run, and work on its configuration."""

        def chosen(text: str | None) -> None:
            if text and text.strip():
                self._load(text.strip())

        self.app.push_screen(
            AskScreen(
                "Load",
                "A configuration file, or the folder of a run. Relative paths start in\n"
                f"{safe(str(Path.cwd()), 300)}",
                placeholder="experiment.yaml",
                check=lambda text: "" if text.isprintable() else "no path looks like that",
            ),
            chosen,
        )

    @work(group="load", exclusive=True)
    async def _load(self, text: str) -> None:
        try:
            entry = await asyncio.to_thread(file_entry, expanded(Path(text)))
        except (ConfigError, OSError) as error:
            self.app.push_screen(TroubleScreen.of("the file cannot be used", error))
            return
        self.bench.take_in(entry)
        self.bench.choose(entry.key)
        self.redraw()

    # Say it

    def action_command(self) -> None:
        """Copy the command line that starts the same run, and show it."""
        from wmse_tui.tui.widgets.configure.command import CommandScreen

        draft = self._right_draft("be said as a command")
        if draft is None:
            return
        root = self.services.trainers.root
        line = command_line(
            draft, name=self.run_name or None, runs_dir=None if root == runs_dir() else root.absolute()
        )
        self.app.copy_to_clipboard(line)
        self.app.push_screen(CommandScreen(line))

    def action_name(self) -> None:
        """Ask for the name of the next run."""

        def named(name: str | None) -> None:
            if name is not None:
                self.run_name = name
                self.redraw()

        self.app.push_screen(
            AskScreen(
                "Name the run",
                "Name of the next run, which is also that of its folder. Empty: preset, date and time.",
                value=self.run_name,
                check=_run_name_fault,
            ),
            named,
        )

    def action_reset_all(self) -> None:
        """Take all changes back."""
        draft = self.bench.draft
        if draft is None or not draft.active:
            self.services.notify("nothing differs from the preset")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.bench.reset_all()
                self.redraw()

        changes = count(len(draft.active), "change")
        names = safe(", ".join(draft.active), 400)
        self.app.push_screen(
            ConfirmScreen("Reset all?", f"{changes} would be lost: {names}", yes="Reset", no="Keep"), answered
        )

    def _right_draft(self, purpose: str) -> Draft | None:
        """The draft, if nothing is wrong with it; else the person is told and shown."""
        draft = self.bench.draft
        if draft is None:
            entry = self.bench.entry
            problem = entry.problem if entry is not None else self.bench.problem
            self.app.push_screen(TroubleScreen("this preset cannot be used", problem))
            return None
        if draft.experiment is None:
            self.go_to_problem()
            problems = count(len(draft.problems), "problem")
            self.services.notify(f"with {problems} it cannot {purpose}", severity="error")
            return None
        return draft


def _run_name_fault(name: str) -> str:
    if not name:
        return ""
    try:
        check_name(name)
    except BadRunName as error:
        return error.detail
    return ""
