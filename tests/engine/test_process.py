"""The settings of a process that computes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

QUOTA = """
import sys
from pathlib import Path
from wmse_tui.runs.process import control_groups
control_groups.ROOT = Path(sys.argv[1])
from wmse_tui.engine.process import settle
settle()
import torch
print(torch.get_num_threads())
"""


def test_torch_computes_with_as_many_threads_as_a_quota_pays_for(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    threads = []
    for quota in ("50000", "max"):
        (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")
        command = [sys.executable, "-c", QUOTA, str(tmp_path)]
        threads.append(int(subprocess.check_output(command, env=environ)))
    assert threads[0] == 1
    assert threads[1] >= threads[0]


def test_what_it_makes_is_not_for_others_to_write() -> None:
    program = (
        "import os; from wmse_tui.engine.process import settle; os.umask(0); settle(); print(os.umask(0))"
    )
    assert int(subprocess.check_output([sys.executable, "-c", program])) == 0o022


def test_a_rank_leaves_the_others_their_cores_unless_its_user_has_chosen() -> None:
    program = """
import os
os.sched_getaffinity = lambda _: range(6)
from wmse_tui.engine.process import settle
from wmse_tui.runs.process import cores
cores.cpu_quota = lambda: None
for ranks in (1, 2):
    for chosen in (None, "5"):
        os.environ.pop("OMP_NUM_THREADS", None)
        if chosen:
            os.environ["OMP_NUM_THREADS"] = chosen
        with cores.cores_divided(ranks):
            settle()
        print(os.environ.get("OMP_NUM_THREADS"))
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == [
        "None",
        "5",
        "3",
        "5",
    ]
