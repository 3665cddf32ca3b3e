"""What a container or a batch job may use is its limit: control groups of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from wmse_tui.runs.process import control_groups
from wmse_tui.runs.process.control_groups import MemoryLimit, cpu_quota, memory_limit
from wmse_tui.runs.process.cores import available_cores, unlimited_cores

TOTAL = 2**40


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def test_without_a_limit_there_is_none(tmp_path: Path) -> None:
    group(tmp_path, memory__max="max", memory__current=5, cpu__max="max 100000")
    (tmp_path / "membership").write_text("0::/\n")
    for root, membership in ((tmp_path, "membership"), (tmp_path / "no", "none")):
        assert memory_limit(TOTAL, root, tmp_path / membership) is None
        assert cpu_quota(root, tmp_path / membership) is None


def test_the_innermost_and_the_outer_groups_count_and_cached_files_do_not(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/job/step\n")
    group(tmp_path / "job" / "step", memory__max=300_000_000, memory__current=120_000_000)
    (tmp_path / "job" / "step" / "memory.stat").write_text("anon 5\ninactive_file 50000000\n")
    group(tmp_path / "job", memory__max=310_000_000, memory__current=200_000_000, cpu__max="150000 100000")
    found = memory_limit(TOTAL, tmp_path, tmp_path / "membership")
    assert found == MemoryLimit(300_000_000, 110_000_000)
    assert cpu_quota(tmp_path, tmp_path / "membership") == 1.5


def test_groups_of_the_first_version_count_too(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("4:cpu,cpuacct:/x\n3:memory:/slurm/job\n")
    job = tmp_path / "memory" / "slurm" / "job"
    group(job, memory__limit_in_bytes=200_000_000, memory__usage_in_bytes=90_000_000)
    group(tmp_path / "memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=1)
    group(tmp_path / "cpu" / "x", cpu__cfs_quota_us=-1, cpu__cfs_period_us=100_000)
    assert memory_limit(TOTAL, tmp_path, tmp_path / "membership") == MemoryLimit(200_000_000, 110_000_000)
    assert cpu_quota(tmp_path, tmp_path / "membership") is None
    group(tmp_path / "cpu", cpu__cfs_quota_us=50_000, cpu__cfs_period_us=100_000)
    assert cpu_quota(tmp_path, tmp_path / "membership") == 0.5


@pytest.mark.parametrize(("quota", "cores"), [("max", None), ("50000", 1), ("100000000", None)])
def test_the_cores_follow_a_container_s_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int | None
) -> None:
    monkeypatch.setattr(control_groups, "ROOT", tmp_path)
    group(tmp_path, cpu__max=f"{quota} 100000")
    assert available_cores() == (cores or unlimited_cores())
