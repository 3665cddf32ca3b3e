"""Starting programs: each process of ours by `interpreter_command`, any other by `find_program`.

The current folder may be one that another user has prepared, with a `torch.py`, a `wmse_tui` or a `busctl` in
it. So nothing is imported or started from there:

- `interpreter_command` gives the command line of a module of ours. The interpreter executes this file, which
  arranges where modules are searched for before it imports any, and then runs the module.
- `isolate` is that arrangement. The command line applies it to its own process first.
- `find_program` searches only absolute folders of PATH.

What the user installed is found as ever: in the environment, in an editable checkout, in the user's
site-packages. PYTHONPATH is the user's too, but usually meant for other programs. Its folders are searched
last: a package that is only there is found, and none replaces an installed one. Its entries that mean the
current folder (empty or relative ones) are dropped. Python itself adds the current folder for `-m` and `-c`;
`-P` prevents that.
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
    """Search for modules neither in the current folder nor, before what is installed, in those of PYTHONPATH.

    PYTHONPATH loses the entries that mean the current folder, for the processes that this one starts.
    """
    entries = os.environ.pop("PYTHONPATH", "").split(os.pathsep)
    named = [os.path.normpath(entry) for entry in entries if os.path.isabs(entry)]
    if named:
        os.environ["PYTHONPATH"] = os.pathsep.join(named)
    last = {*named, *_in_current_folder(entries)} if entries != [""] else set()
    sys.path[:] = [entry for entry in sys.path if os.path.isabs(entry) and entry not in last]
    for entry in (ROOT, *named):
        if entry not in sys.path:
            sys.path.append(entry)


def find_program(name: str) -> str | None:
    """Return the absolute path of a program of the system; None where PATH has none."""
    import shutil

    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(filter(os.path.isabs, folders)))


def _in_current_folder(entries: list[str]) -> list[str]:
    """What Python made of the relative `entries` of PYTHONPATH."""
    try:
        return [os.path.abspath(entry) for entry in entries if not os.path.isabs(entry)]
    except FileNotFoundError:  # the current folder was deleted; Python left them relative
        return []


def _run_module() -> None:
    """Run the module that is the first argument, with the package that this file belongs to."""
    isolate()
    import runpy

    sys.path.insert(0, ROOT)
    import wmse_tui  # noqa: F401 (its modules are found through it from here on)

    del sys.path[0]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run_module()
