"""`wmse-tui`: the list of commands. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

from wmse_tui.runs.process.interpreter import isolate

isolate()  # first: the modules below must not come from the current folder

from wmse_tui.cli.follow.signals import exit_on_warnings

exit_on_warnings()  # the modules below need a moment

import sys
from typing import Annotated

import typer

from wmse_tui import __version__
from wmse_tui.cli.arguments import RunsDir
from wmse_tui.cli.commands import config, presets, queue
from wmse_tui.cli.commands.attach import attach
from wmse_tui.cli.commands.bench import bench
from wmse_tui.cli.commands.compare import compare
from wmse_tui.cli.commands.doctor import doctor
from wmse_tui.cli.commands.evaluate import evaluate
from wmse_tui.cli.commands.export import export
from wmse_tui.cli.commands.find_neighbours import neighbours
from wmse_tui.cli.commands.follow_run import follow
from wmse_tui.cli.commands.import_run import import_run
from wmse_tui.cli.commands.logs import logs
from wmse_tui.cli.commands.remove import remove
from wmse_tui.cli.commands.report import report
from wmse_tui.cli.commands.resume import resume
from wmse_tui.cli.commands.run import run
from wmse_tui.cli.commands.runs import runs
from wmse_tui.cli.commands.show import show
from wmse_tui.cli.commands.stop import stop
from wmse_tui.cli.commands.tag import tag
from wmse_tui.cli.completion import as_bash_cuts
from wmse_tui.cli.console import print_message
from wmse_tui.cli.exception_handler import CommandGroup, output_closed
from wmse_tui.cli.exits import ExitCode, exit_code_table
from wmse_tui.cli.streams import Streams
from wmse_tui.cli.typer_app import TyperApp

app = TyperApp(
    name="wmse-tui",
    cls=CommandGroup,
    epilog="\b\nExit codes:\n" + exit_code_table(),
    invoke_without_command=True,
    rich_markup_mode=None,  # plain help: rich would double its time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"wmse-tui {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    runs_dir: RunsDir = None,
    version: Annotated[  # noqa: ARG001 (its callback prints)
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Self-supervised learning with whitening losses: configure, launch, watch, compare and reproduce.

    Without a command the app opens.
    """
    if context.invoked_subcommand is not None:
        if runs_dir is not None:
            raise typer.BadParameter("write it after the command: wmse-tui COMMAND --runs-dir DIR")
        return
    from wmse_tui.cli.commands.app import run_app
    from wmse_tui.cli.locating import runs_root

    raise typer.Exit(run_app(runs_root=runs_root(runs_dir)))


app.command()(run)
app.command()(runs)
app.command()(show)
app.command()(compare)
app.command()(report)
app.command()(tag)
app.command()(logs)
app.command()(attach)
app.command()(follow)
app.command()(stop)
app.command()(resume)
app.command("eval")(evaluate)
app.command()(neighbours)
app.command()(export)
app.command("import")(import_run)
app.command("rm")(remove)
app.add_typer(queue.app, name="queue")
app.add_typer(presets.app, name="presets")
app.add_typer(config.app, name="config")
app.command()(doctor)
app.command()(bench)


FOLLOWING = ("run", "resume", "attach")
"""Commands whose exit code is the run's, whatever becomes of their own output.

Also where they return at once (`--detach`, `--queue`, `--sweep`): after another code a script would start the
same runs again.
"""


def main() -> None:
    """Run the command line: the console script and `python -m wmse_tui` call this."""
    streams = Streams()
    try:
        with as_bash_cuts():
            app(prog_name="wmse-tui")
    except SystemExit as leaving:
        code = leaving.code
    else:
        code = ExitCode.COMPLETED
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or output_closed(error) or ExitCode.FAILED
    if streams.lost is not None:
        print_message(f"wmse-tui: some output was lost: stdout: {streams.lost.strerror}")
        if sys.argv[1:2] not in ([name] for name in FOLLOWING):
            code = code or ExitCode.FAILED
    sys.exit(code)
