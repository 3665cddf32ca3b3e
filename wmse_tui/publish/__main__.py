"""`python -m wmse_tui.publish RUN_DIR TARGET [--once]`: follow one run for one target."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from wmse_tui.config.problems import ExplainedError
from wmse_tui.publish.publisher import follow
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.followers import Target
from wmse_tui.runs.process.deferred_signals import TERMINATING
from wmse_tui.runs.text.sanitize import safe

TERMINATED = 143


def main(folder: str, target: str, *options: str) -> int:
    """Follow; returns the exit code."""
    for number in TERMINATING:
        signal.signal(number, lambda *_: sys.exit(TERMINATED))
    try:
        return follow(RunDirectory(Path(folder)), Target.parse(target), once="--once" in options)
    except KeyboardInterrupt:
        return 130
    except ExplainedError as error:
        lines = [f"wmse-tui: {error.title}", *([f"  {error.detail}"] if error.detail else [])]
        lines += [f"  -> {step}" for step in error.next]
        sys.stderr.write("".join(f"{safe(line)}\n" for line in lines))
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
