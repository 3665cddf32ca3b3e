"""`python -m wmse_tui` is `wmse-tui`."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the current folder, added for `-m`
    from wmse_tui.cli.main import main

    main()
