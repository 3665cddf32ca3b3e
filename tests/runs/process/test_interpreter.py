"""No code of the current folder runs: every start goes through one function, and nothing shadows a module."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from wmse_tui.runs.process.interpreter import FILE, find_program, interpreter_command

PROJECT = Path(__file__).parents[3]
NOT_OURS = {"sitecustomize", "usercustomize", "cuda"}
"""The user's own; a namespace package, which a module anywhere in the path replaces."""
STARTS = {
    # file: what it starts, and by which function its command line is made
    "scripts/bench-growth": {"subprocess.Popen", "os.fork"},
    "scripts/bench-ranks": {"subprocess.run"},
    "scripts/bench-terminal": {"subprocess.Popen"},
    "scripts/golden": {"subprocess.Popen", "subprocess.run"},
    "scripts/gpu-visit": {"subprocess.run"},
    "scripts/visit-ranks": {"subprocess.run"},
    "scripts/rehearse-gpu": {"subprocess.run", "os.execvpe"},
    "scripts/reliability": {"subprocess.run"},
    "scripts/soak": {"subprocess.Popen"},
    "scripts/table": {"subprocess.run"},
    "wmse_tui/cli/checks/software.py": {"subprocess.run"},
    "wmse_tui/cli/checks/system.py": {"subprocess.run"},  # find_program
    "wmse_tui/cli/commands/follow_run.py": {"os.execv"},  # follower_command
    "wmse_tui/cli/start/launched.py": {"os.execv"},  # trainer_command
    "wmse_tui/cli/engine_command.py": {"subprocess.Popen"},
    "wmse_tui/engine/benchmark/paper_reference.py": {"DataLoader"},  # forked
    "wmse_tui/engine/benchmark/rank_speed.py": {"subprocess.Popen"},
    "wmse_tui/engine/benchmark/reference_process.py": {"subprocess.Popen"},
    "wmse_tui/engine/data/workers.py": {"DataLoader"},  # forked
    "wmse_tui/engine/export/check.py": {"exec"},  # of a recipe: no process
    "wmse_tui/runs/process/launch.py": {"subprocess.Popen"},
    "wmse_tui/engine/distribution/other_ranks.py": {"subprocess.Popen"},
    "wmse_tui/runs/queue/slurm_jobs.py": {"subprocess.run"},  # find_program
    "wmse_tui/runs/queue/standby.py": {"os.execv"},
    "wmse_tui/runs/queue/waiter.py": {"os.execv"},
    "wmse_tui/tui/conversation.py": {"subprocess.Popen"},
    "wmse_tui/tui/run_export.py": {"asyncio.create_subprocess_exec"},
}
"""Every call that starts a process; a new command is made by `interpreter_command` or `find_program`."""
START = re.compile(
    r"subprocess\.\w+|(\w+\.)*Popen|(os\.)?(execv?l?p?e?|posix_spawnp?|spawn[vl]p?e?|system|popen|fork\w*)"
    r"|pty\.\w+|(\w+\.)*(DataLoader|ProcessPoolExecutor|Pool)|(multiprocessing|context)\.Process"
    r"|(asyncio|loop)\.(create_)?subprocess_\w+"
)
OUR_MODULES = {
    "wmse_tui": ["--version"],
    "wmse_tui.engine": [],
    "wmse_tui.engine.commands": ["evaluate", "no-such-run"],
    "wmse_tui.engine.inspect": ["--help"],
    "wmse_tui.engine.rank": [],
    "wmse_tui.engine.benchmark.rank_speed": [],
    "wmse_tui.engine.benchmark.reference_process": [],
    "wmse_tui.publish": ["no-such-run", "no-such-target"],
    "wmse_tui.runs.queue": [],
    "wmse_tui.runs.queue.standby": [],
}
"""What `interpreter_command` runs, with arguments that end it soon; `doctor` below starts its own."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    files = [path for path in (PROJECT / "scripts").iterdir() if path.is_file()]  # without __pycache__
    scripts = [path for path in files if "python" in path.read_text()[:30]]
    for path in (*(PROJECT / "wmse_tui").rglob("*.py"), *scripts):
        yield str(path.relative_to(PROJECT)), ast.parse(path.read_text())


def starts(tree: ast.Module) -> set[str]:
    """The calls of a module that start a process."""
    calls = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {name for name in calls if START.fullmatch(name)}


def test_every_start_of_a_process_is_listed() -> None:
    found = {file: names for file, tree in sources() if (names := starts(tree))}
    assert found == STARTS


def test_no_other_function_makes_the_command_line_of_a_module() -> None:
    """`sys.executable` in a command line comes with `-P`, or with a script, whose folder is searched."""
    wrong = []
    for file, tree in sources():
        for node in ast.walk(tree):
            if (
                isinstance(node, (ast.List, ast.Tuple))
                and node.elts
                and ast.unparse(node.elts[0]) == "sys.executable"
            ):
                rest = [ast.unparse(each) for each in node.elts[1:]]
                if rest[0] != "'-P'" and ("'-m'" in rest or "'-c'" in rest):
                    wrong.append(f"{file}:{node.lineno}")
                if any("wmse_tui" in each for each in rest):
                    wrong.append(f"{file}:{node.lineno}: use interpreter_command")
    assert not wrong


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """A folder with a module of every name of the standard library and of every installed package."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + ' ')\n"
    names = {*sys.stdlib_module_names, *packages_distributions(), "wmse_tui", "pynvml"}
    for name in sorted(names - NOT_OURS):
        if name.isidentifier():
            (folder / f"{name}.py").write_text(code)
    for package in ("wmse_tui", "torch", "PIL"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text(code)
        (folder / package / "__main__.py").write_text(code)
    for program in ("busctl", "python", "python3", "git", "nvidia-smi"):
        (folder / program).write_text(f"#!/bin/sh\necho {program} >>{tmp_path}/ran\n")
        (folder / program).chmod(0o755)
    return folder


@pytest.fixture
def console_script(tmp_path: Path) -> Path:
    """The program as an installer writes it."""
    script = tmp_path / "bin" / "wmse-tui"
    script.parent.mkdir()
    script.write_text("import sys\nfrom wmse_tui.cli.main import main\nsys.exit(main())\n")
    return script


def execute(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    home = str(folder.parent)
    environment |= {"HOME": home, "WMSE_TUI_RUNS": f"{home}/runs", **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("module", OUR_MODULES)
def test_a_module_of_ours_imports_nothing_from_the_current_folder(
    module: str, hostile_folder: Path, tmp_path: Path
) -> None:
    command = interpreter_command(module, *OUR_MODULES[module])
    done = execute(command, hostile_folder, PATH=f".::{os.environ['PATH']}")
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert "No module named" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["runs"],
        ["presets"],
        ["show", "none"],
        ["eval", "none"],
        ["doctor", "--json"],
        ["queue"],
    ],
    ids=" ".join,
)
def test_a_command_imports_nothing_from_the_current_folder(
    words: list[str], hostile_folder: Path, console_script: Path, tmp_path: Path
) -> None:
    done = execute(
        [sys.executable, str(console_script), *words], hostile_folder, PATH=f".::{os.environ['PATH']}"
    )
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert "Traceback" not in done.stderr


def loaded_before_us() -> frozenset[str]:
    """What Python may load before the script: its library, and modules that `.pth` files import."""
    bare = execute([sys.executable, "-c", "import sys; print(*sys.modules)"], Path("/"), HOME="/nonexistent")
    return sys.stdlib_module_names | frozenset(bare.stdout.split())


def without(folder: Path, names: frozenset[str]) -> None:
    """Remove modules and packages from a folder."""
    for name in names:
        (folder / f"{name}.py").unlink(missing_ok=True)
        shutil.rmtree(folder / name, ignore_errors=True)


@pytest.mark.parametrize("words", [["runs"], ["presets"], ["doctor", "--json"]], ids=" ".join)
def test_pythonpath_does_not_mean_the_current_folder(
    words: list[str], hostile_folder: Path, console_script: Path, tmp_path: Path
) -> None:
    without(hostile_folder, loaded_before_us() | {"wmse_tui"})
    path = os.pathsep.join(("", ".", "../hostile", str(hostile_folder), "/nonexistent"))
    done = execute([sys.executable, str(console_script), *words], hostile_folder, PYTHONPATH=path)
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert "Traceback" not in done.stderr


def test_python_m_imports_nothing_but_the_package_from_the_current_folder(
    hostile_folder: Path, tmp_path: Path
) -> None:
    loaded = "import sys, runpy, importlib.util, contextlib; print(*sys.modules)"  # by `-m` itself
    names = subprocess.run([sys.executable, "-I", "-c", loaded], capture_output=True, text=True, check=True)
    without(hostile_folder, frozenset(names.stdout.split()) | {"wmse_tui"})
    done = execute([sys.executable, "-m", "wmse_tui", "doctor"], hostile_folder)
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert "torch" in done.stdout


REPORT = f"""
import os, sys
sys.path.insert(0, {str(PROJECT)!r})
from wmse_tui.runs.process.interpreter import isolate
del sys.path[0]
isolate()
try:
    import only_here
except ImportError:
    print("not found")
print(os.environ.get("PYTHONPATH"))
"""


@pytest.mark.parametrize(
    ("entry", "found"),
    [("{own}", True), ("own", False), ("{here}", False), ("{here}/own/..", False), ("", False)],
)
def test_a_package_in_an_absolute_folder_of_pythonpath_is_found(
    entry: str, found: bool, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for folder in (own, tmp_path):
        (folder / "only_here.py").write_text("print('found')")
    script = tmp_path / "bin" / "report.py"
    script.parent.mkdir()
    script.write_text(REPORT)
    entry = entry.format(own=own, here=tmp_path)
    done = execute([sys.executable, str(script)], tmp_path, PYTHONPATH=f"{entry}:")
    assert done.stdout.splitlines() == (["found", str(own)] if found else ["not found", "None"])


def test_modules_come_from_the_package_that_starts_them(tmp_path: Path) -> None:
    """Also where no interpreter would find it: a checkout that is not installed."""
    copy = tmp_path / "checkout" / "wmse_tui"
    copy.parent.mkdir()
    copy.symlink_to(PROJECT / "wmse_tui")
    file = copy.parent / Path(FILE).relative_to(PROJECT)
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-I", "-S", str(file), "wmse_tui.engine"]
    done = execute(command, tmp_path / "empty")
    assert done.stderr.startswith("usage:")


def test_programs_are_not_searched_in_the_current_folder(
    hostile_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile_folder)
    monkeypatch.setenv("PATH", f":.:../hostile:{os.environ['PATH']}")
    assert find_program("busctl") != str(hostile_folder / "busctl")
    found = find_program("sh")
    assert found is not None
    assert Path(found).is_absolute()


def test_a_process_of_ours_has_a_current_folder_where_that_of_its_starter_was_deleted(tmp_path: Path) -> None:
    """MKL ends a process that has none with "FATAL ERROR: Cannot load libtorch_cpu.so"."""
    (tmp_path / "where.py").write_text("import os\nprint(os.getcwd())\n")
    deleted = 'mkdir deleted && cd deleted && rmdir ../deleted && exec "$@"'
    command = ["sh", "-c", deleted, "sh", *interpreter_command("where")]
    done = execute(command, tmp_path, PYTHONPATH=str(tmp_path))
    assert done.stdout == "/\n", done.stderr
