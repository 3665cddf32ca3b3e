"""The evaluator process: `python -m wmse_tui.engine.evaluate RUN|CHECKPOINT`."""

from __future__ import annotations

import sys

from wmse_tui.engine.process import settle

if __name__ == "__main__":
    settle()
    from wmse_tui.engine.evaluation.command import main

    sys.exit(main(sys.argv[1:]))
