"""`python -m wmse_tui.engine.benchmark`, with a configuration on stdin."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the trainer, see `wmse_tui.engine.__main__`
    from wmse_tui.engine.benchmark.command import main

    sys.exit(main(sys.argv[1:]))
