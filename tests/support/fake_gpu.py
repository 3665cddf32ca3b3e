"""A GPU that is not there: CUDA's runtime and libraries replaced, for torch of CUDA 13 on Linux with g++.

Device memory is host memory, copies copy, kernels compute nothing. Every launch, copy, wait and allocation is
counted, and what a stream capture forbids is refused. So counts, the order of streams, captures and error
messages are those of a GPU; results and times are not.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

SOURCES = Path(__file__).parent / "fakegpu"
IMPORTED = ("cuda", "__cuda", "cublas", "cudnn", "cusolver", "cusparse", "nvjpeg")
"""How the names begin of what torch and torchvision import from CUDA's runtime and libraries."""

FLAGS = ("-O1", "-fPIC")
HOOK = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)


class FakeGpuUnavailable(Exception):
    """The fake GPU cannot be built here; the text says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """A call that the fake GPU reports.

    Args:
        kind: as in `fakegpu/reporting.h`.
        detail: the kernel, the function, or the direction of a copy.
        stream: its number; 0 is the default stream.
        line: of the package, that made the call ("engine/data/colour.py:84"); empty where none did.
    """

    kind: str
    detail: str
    stream: int
    line: str


@dataclass(slots=True)
class Counts:
    """What was reported in a block.

    Args:
        launches: of kernels, of graphs, and of libraries.
        reports: all but the launches, unless these were requested.
    """

    launches: int = 0
    reports: list[Report] = field(default_factory=list)

    def of(self, kind: str, detail: str = "") -> list[Report]:
        """The reports of a kind whose detail contains a text."""
        return [one for one in self.reports if one.kind == kind and detail in one.detail]

    def lines(self, kind: str) -> str:
        """Where the reports of a kind come from, with their numbers, for people."""
        places = Counter(f"{one.detail} {one.line}".strip() for one in self.of(kind))
        return ", ".join(f"{count} x {place}" for place, count in places.most_common())


@contextmanager
def counted(*, launches: bool = False) -> Iterator[Counts]:
    """Count what happens in this block, which runs in a process with `environment`.

    Args:
        launches: report every launch, in order, too.
    """
    library = ctypes.CDLL(None)
    library.fake_gpu_launches.restype = ctypes.c_long
    counts = Counts()

    def note(kind: str, detail: str, stream: int) -> None:
        if launches or kind != "launch":
            counts.reports.append(Report(kind, detail, stream, line_of_package()))

    before = library.fake_gpu_launches()
    with reported(note):
        try:
            yield counts
        finally:
            counts.launches = library.fake_gpu_launches() - before


@contextmanager
def reported(note: Callable[[str, str, int], None]) -> Iterator[None]:
    """Call `note` with kind, detail and stream of each report in this block, in the thread that caused it."""
    library = ctypes.CDLL(None)
    hook = HOOK(lambda kind, detail, stream: note(kind.decode(), detail.decode(), stream))
    library.fake_gpu_hook(hook)  # alive as long as the library may call it
    try:
        yield
    finally:
        library.fake_gpu_hook(HOOK())


def line_of_package() -> str:
    """The line of the package that is running; empty where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        _, found, module = frame.f_code.co_filename.partition("/wmse_tui/")
        if found:
            return f"{module}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return ""


def environment(folder: Path) -> dict[str, str]:
    """The variables of a process that sees the fake GPU in `folder`, beside those of this one."""
    paths = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    return {
        **os.environ,
        "LD_PRELOAD": str(folder / "libfakegpu.so"),
        "LD_LIBRARY_PATH": ":".join(path for path in paths if path),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def build() -> Path:
    """Compile the fake GPU for the torch of this interpreter; the result is cached in the temporary folder.

    Raises:
        FakeGpuUnavailable: there is no compiler, or torch is not one for CUDA 13.
    """
    compiler = shutil.which("g++")
    if compiler is None or shutil.which("nm") is None:
        raise FakeGpuUnavailable("the fake GPU is compiled with g++, which is not installed")
    packages = _packages()
    includes = next(iter(packages.glob("nvidia/cu13/include")), None)
    if includes is None:
        raise FakeGpuUnavailable("the fake GPU stands for CUDA 13, and this torch is for another one or none")
    digest = hashlib.sha256(str(packages).encode())
    for source in sorted(SOURCES.rglob("*.*")):
        digest.update(source.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"wmse-fake-gpu-{os.getuid()}-{digest.hexdigest()[:12]}"
    if not (folder / "libcuda.so.1").exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = _compile(compiler, Path(temporary), includes, packages)
            folder.mkdir(mode=0o700, exist_ok=True)
            for library in made:
                library.replace(folder / library.name)
    return folder


def _packages() -> Path:
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise FakeGpuUnavailable("torch is not installed")
    return Path(spec.origin).parents[1]


def _compile(compiler: str, folder: Path, includes: Path, packages: Path) -> list[Path]:
    """The two libraries; the driver's last, whose presence shows that both are complete."""
    objects = []
    for name in ("runtime", "libraries"):
        objects.append(folder / f"{name}.o")
        source = SOURCES / f"{name}.cpp"
        headers = (f"-I{SOURCES / 'include'}", f"-I{includes}")
        _run(compiler, *FLAGS, "-std=c++17", *headers, "-c", source, "-o", objects[-1])
    defined = {name for path in objects for name in _symbols(path, "--defined-only")}
    libraries = [*packages.glob("torch/lib/lib*cuda*.so"), *packages.glob("torchvision/*.so")]
    imported = {name for path in libraries for name in _symbols(path, "--dynamic", "--undefined-only")}
    missing = sorted(name for name in imported - defined if name.startswith(IMPORTED))
    rest = folder / "rest.c"
    rest.write_text("".join(f"int {name}() {{ return 0; }}\n" for name in missing), encoding="utf-8")
    made = [folder / "libfakegpu.so", folder / "libcuda.so.1"]
    _run(compiler, *FLAGS, "-shared", *objects, "-x", "c", "-w", rest, "-o", made[0], "-ldl")
    driver = ("-x", "c", "-w", SOURCES / "driver.c", "-Wl,-soname,libcuda.so.1")
    _run(compiler, *FLAGS, "-shared", *driver, "-o", made[1], "-ldl")
    return made


def _symbols(path: Path, *options: str) -> Iterator[str]:
    for line in _run("nm", *options, path).splitlines():
        if line.strip() and not line.endswith(":"):
            yield line.split()[-1].partition("@")[0]


def _run(*command: str | Path) -> str:
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode:
        raise FakeGpuUnavailable(result.stderr.strip()[:2000])
    return result.stdout
