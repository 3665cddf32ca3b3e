"""What a real run leaves is for its owner alone, holds no secret of the environment, and can run no code."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import wmse_tui
from wmse_tui.runs.directory import RunDirectory
from wmse_tui.runs.process.launch import launch_trainer
from wmse_tui.runs.state import config

PACKAGE = Path(wmse_tui.__file__).parent
SECRETS = {
    "WANDB_API_KEY": "4f1c0ffee-wandb",
    "HF_TOKEN": "hf_4f1c0ffee",
    "AWS_SECRET_ACCESS_KEY": "4f1c0ffee/aws",
    "SSH_AUTH_SOCK": "/tmp/4f1c0ffee-agent",
    "MY_PASSWORD": "correct-4f1c0ffee-staple",
}


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_file_modes_and_no_secrets(
    no_umask: None, make_run: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    run = make_run("schedule.epochs=1")
    assert launch_trainer(run).wait(120) == 0
    entries = [run.path, *run.path.rglob("*")]
    names = {entry.name for entry in entries}
    assert {"events.jsonl", "trainer.log", "trainer.json", "final.pt", "embedding.npz"} <= names
    for entry in entries:
        mode = 0o700 if entry.is_dir() else 0o600
        assert stat.S_IMODE(entry.stat().st_mode) == mode, entry
        if entry.is_file():
            content = entry.read_bytes()
            assert not any(value.encode() in content for value in SECRETS.values()), entry


def test_nothing_in_the_package_executes_what_it_reads() -> None:
    """No unpickling, evaluating, unsafe YAML or shell, and `torch.load` and `np.load` in the safe form only.

    CIFAR is published as pickles; torchvision reads them, after their checksums were compared
    (tests/engine/data/sources/test_cifar.py).
    """
    found, loads = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                found += [(path.name, m) for m in modules if m in ("pickle", "marshal", "shelve", "dill")]
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if name in ("eval", "exec", "os.system", "yaml.unsafe_load", "tar.extractall"):
                found.append((path.name, name))
            if name == "yaml.load" and options.get("Loader") != "_LOADER":  # checked where it is made
                found.append((path.name, name))
            if options.get("shell") == "True":
                found.append((path.name, f"{name} in a shell"))
            if name in ("torch.load", "np.load"):
                loads += 1
                safe = ("weights_only", "True") if name == "torch.load" else ("allow_pickle", "False")
                if options.get(safe[0]) != safe[1]:
                    found.append((path.name, name))
    # CIFAR's own files by a restricted unpickler; an exported file's recipe, which is of our own lines.
    assert found == [("cifar.py", "pickle"), ("check.py", "exec")]
    assert issubclass(config._LOADER, yaml.SafeLoader | yaml.CSafeLoader)
    assert loads >= 2
