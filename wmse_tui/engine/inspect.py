"""The inspector process: `python -m wmse_tui.engine.inspect [--parent PID]`, JSON lines in and out.

It is started by the app when a screen first asks what only torch can tell, stays warm while the app lives,
never trains, downloads or unpacks anything, and is gone with the process that started it. The lines are
described in `inspection/protocol.py`.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
from collections.abc import Sequence

from wmse_tui.engine.process import settle
from wmse_tui.engine.service import child_process


def main(arguments: Sequence[str]) -> int:
    """Answer requests from stdin until it ends."""
    parser = argparse.ArgumentParser(prog="python -m wmse_tui.engine.inspect", description=__doc__)
    parser.add_argument("--parent", type=int, metavar="PID", help="die with this process, which started it")
    parent: int | None = parser.parse_args(arguments).parent
    faulthandler.enable()
    settle()  # as the trainer, whose speed it measures
    lines, answers = child_process.private_streams()
    if not child_process.die_with_parent(parent):
        return 1
    child_process.lower_priority()

    from wmse_tui.engine.service.server import serve

    with child_process.ending_in_order():
        serve(lines, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
