"""Whether the files of a published data set are all there and as they were published."""

from __future__ import annotations

from pathlib import Path

from torchvision.datasets.utils import calculate_md5

from wmse_tui.engine.data.sources.progress import Meter, Progress


def defect(folder: Path, files: tuple[tuple[str, str], ...], progress: Progress) -> str | None:
    """Which of the files in `folder` are missing or differ from what was published; None if all are right."""
    missing = [name for name, _ in files if not (folder / name).is_file()]
    if missing:
        return f"missing: {', '.join(missing)}"
    meter = Meter(progress, f"checking {folder.name}", total=len(files), unit="files")
    for name, md5 in files:
        found = calculate_md5(str(folder / name))
        if found != md5:
            return f"damaged: {name} has md5 {found}, expected {md5}"
        meter.advance(1)
    return None
