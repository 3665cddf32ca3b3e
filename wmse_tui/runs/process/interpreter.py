"""Starting programs: each process of ours by `interpreter_command`, any other by `find_program`.

The current folder may be one that another user has prepared, with a `torch.py`, a `wmse_tui` or a `busctl` in
it. So nothing is imported or started from there:

- `interpreter_command` gives the command line of a module of ours. The interpreter executes this file, which
  arranges where modules are searched for before it imports any, and then runs the module.
- `isolate` is that arrangement. The command line applies it to its own process first.
- `find_program` searches only absolute folders of PATH.

What the user installed is found as ever: in the environment, in an editable checkout, in the user's
site-packages, in the folders of PYTHONPATH. Entries of PYTHONPATH that are relative, empty (a colon too
many) or the current folder itself are dropped. The others are the user's own choice, but a `wmse_tui` in them
is not taken for the one that is running. Python itself adds the current folder for `-m` and `-c`; `-P`
prevents that.
"""

from __future__ import annotations

import os
import sys

FILE = os.path.abspath(__file__)
ROOT = FILE.rsplit(os.sep, 4)[0]
"""The folder that contains the package: a checkout or site-packages."""


def interpreter_command(
    module: str,
    *arguments: str,
    python: str | os.PathLike[str] = sys.executable,
    options: tuple[str, ...] = (),
) -> list[str]:
    """Return the command line that runs a module of ours, apart from the current folder.

    Args:
        module: its name, as after `python -m`.
        arguments: what it gets as `sys.argv[1:]`.
        python: the interpreter.
        options: further options of the interpreter.
    """
    return [os.fspath(python), "-P", *options, FILE, module, *arguments]


def isolate() -> None:
    """Search for modules anywhere but in the current folder.

    PYTHONPATH loses the entries that mean the current folder, for the processes that this one starts.
    """
    here = _current_folder()
    value = os.environ.pop("PYTHONPATH", "")
    entries = value.split(os.pathsep) if value else []
    named = [entry for entry in entries if os.path.isabs(entry) and os.path.realpath(entry) != here]
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)
    dropped = {os.path.normpath(os.path.join(here, entry)) for entry in entries if entry not in named}
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry) and entry not in dropped]
    if ROOT not in sys.path:
        sys.path.append(ROOT)


def find_program(name: str) -> str | None:
    """Return the absolute path of a program of the system; None where PATH has none."""
    import shutil

    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(filter(os.path.isabs, folders)))


def _current_folder() -> str:
    """The current folder without links; "" where there is none: deleted, or its file server has ended."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _run_module() -> None:
    """Run the module that is the first argument, with the package that this file belongs to."""
    isolate()
    if not _current_folder():
        os.chdir("/")  # MKL ends a process whose current folder was deleted
    import runpy

    sys.path.insert(0, ROOT)
    import wmse_tui  # noqa: F401 (its modules are found through it from here on)

    del sys.path[0]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run_module()
