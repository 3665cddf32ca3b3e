"""The config package is light: it imports neither torch nor numpy, nor any other package of ours."""

from __future__ import annotations

import subprocess
import sys


def test_loading_a_preset_imports_nothing_heavy_and_no_other_package() -> None:
    program = (
        "import sys\n"
        "from wmse_tui.config.loading import load_experiment\n"
        "from wmse_tui.config import advice, draft, json_schema, locations\n"
        "advice.advise(load_experiment(preset='quickstart'))\n"
        "print(*sorted(name for name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "pydantic" in loaded
    for name in (
        "torch",
        "torchvision",
        "numpy",
        "PIL",
        "rich",
        "typer",
        "wmse_tui.runs",
        "wmse_tui.engine",
        "wmse_tui.cli",
    ):
        assert name not in loaded
