"""`python -m wmse_tui.engine.benchmark`, with a configuration on stdin."""

from __future__ import annotations

import sys

from wmse_tui.engine.process import settle

if __name__ == "__main__":
    if "--reference-steps" not in sys.argv:  # that process has torch as it comes
        settle()
    from wmse_tui.engine.benchmark.command import main

    sys.exit(main(sys.argv[1:]))
