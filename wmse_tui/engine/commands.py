"""The commands of the engine, a process each: `python -m wmse_tui.engine.commands evaluate ...`."""

from __future__ import annotations

import sys

from wmse_tui.engine.process import settle


def main(name: str, *arguments: str) -> int:
    """Run the command called `name`; returns its exit code."""
    settle()
    if name == "evaluate":
        from wmse_tui.engine.evaluation.checkpoint_evaluation import evaluation_command as command
    elif name == "neighbours":
        from wmse_tui.engine.evaluation.neighbours import neighbours_command as command
    elif name == "export":
        from wmse_tui.engine.export.command import export_command as command
    else:
        from wmse_tui.engine.benchmark.stages import benchmark_command as command
    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
