"""Which display a followed run gets: JSON lines, a live picture on a terminal, or plain lines."""

from __future__ import annotations

import os
import sys

from wmse_tui.cli.follow.follower import Display


def choose_display(*, as_json: bool) -> Display:
    """Return the display for this process's stdout."""
    if as_json:
        from wmse_tui.cli.follow.jsonlines import JsonDisplay

        return JsonDisplay()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from wmse_tui.cli.follow.live import LiveDisplay

        return LiveDisplay()
    from wmse_tui.cli.follow.plain import PlainDisplay

    return PlainDisplay()
