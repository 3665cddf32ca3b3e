"""`python -m wmse_tui` is `wmse-tui`."""

from wmse_tui.cli.main import main

if __name__ == "__main__":
    main()
