"""The inspector process: `python -m wmse_tui.engine.inspect [--parent PID]`, JSON lines in and out.

The app starts it when a screen first needs what only torch can compute. It runs until the process that
started it ends, and never trains, downloads or unpacks anything. The lines are described in
`service/protocol.py`.
"""

from __future__ import annotations

import argparse
import faulthandler
import signal
import sys
from collections.abc import Sequence

from wmse_tui.engine.parent_process import end_with_parent
from wmse_tui.engine.process import settle
from wmse_tui.engine.service import child_process


def main(arguments: Sequence[str]) -> int:
    """Answer requests from stdin until it ends."""
    parser = argparse.ArgumentParser(prog="python -m wmse_tui.engine.inspect", description=__doc__)
    parser.add_argument("--parent", type=int, metavar="PID", help="end with this process, which started it")
    parent: int | None = parser.parse_args(arguments).parent
    faulthandler.enable()
    settle()  # as the trainer, whose speed it measures
    lines, answers = child_process.private_streams()
    if not end_with_parent(parent, signal.SIGTERM):
        return 1
    child_process.lower_priority()

    from wmse_tui.engine.service.server import serve_requests

    with child_process.ending_in_order():
        serve_requests(lines, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
