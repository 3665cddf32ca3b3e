"""`wmse-tui eval`: judge the encoder of a finished run or of one checkpoint, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from wmse_tui.cli.exits import Exit
from wmse_tui.cli.options import Json, RunsDir


class Knn(StrEnum):
    """Which neighbours: the paper's are Euclidean."""

    EUCLIDEAN = "euclidean"
    COSINE = "cosine"
    OFF = "off"


class Linear(StrEnum):
    """How the linear probe is trained: the paper's way is Adam."""

    ADAM = "adam"
    LBFGS = "lbfgs"
    OFF = "off"


def evaluate(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="A run (its final or best checkpoint is taken) or a checkpoint file.",
            show_default=False,
        ),
    ],
    knn: Annotated[
        Knn | None,
        typer.Option("--knn", help="Metric of the nearest neighbours (else the run's).", show_default=False),
    ] = None,
    linear: Annotated[
        Linear | None,
        typer.Option("--linear", help="Solver of the linear probe (else the run's).", show_default=False),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="auto, cpu, cuda or cuda:N (else the run's).", show_default=False),
    ] = None,
    runs_dir: RunsDir = None,
    json: Json = False,
) -> None:
    """Measure an encoder again, with other probes or on another device."""
    arguments = [str(_find_target(target, runs_dir))]
    if knn is not None:
        arguments += ["--knn", knn.value]
    if linear is not None:
        arguments += ["--linear", linear.value]
    if device is not None:
        arguments += ["--device", device]
    raise typer.Exit(
        run_evaluator([sys.executable, "-m", "wmse_tui.engine.evaluate", *arguments], as_json=json)
    )


def _find_target(text: str, runs_dir: Path | None) -> Path:
    """Return the absolute path of a checkpoint file or of a run's directory."""
    from wmse_tui.cli.locating import find_run

    path = Path(text).expanduser()
    if path.is_file():
        return path.absolute()
    if path.suffix == ".pt":
        from wmse_tui.cli.messages import UserError

        raise UserError(
            f"there is no checkpoint {text}",
            f"looked for {path.absolute()}",
            ("wmse-tui show RUN lists them",),
        )
    return find_run(text, runs_dir).path


def run_evaluator(argv: list[str], *, as_json: bool) -> Exit:
    """Run the evaluator, narrate its progress on stderr and print its result on stdout.

    Args:
        argv: the evaluator's command line. It prints JSON lines: {"progress": {...}} while it works, and last
            {"result": {...}} or {"error": {...}}.
        as_json: print the result as it came, as one JSON object.
    """
    from wmse_tui.cli.follow.ending import last_lines
    from wmse_tui.cli.messages import UserError, complain

    with tempfile.NamedTemporaryFile(prefix="wmse-tui-eval-") as said:
        # A session of its own: Ctrl-C reaches this command only, which then ends the evaluator.
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        assert process.stdout is not None
        before = signal.signal(signal.SIGTERM, _raise_terminated)
        try:
            last = _listen(process.stdout)
            process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                process.terminate()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
            process.stdout.close()
            if process.returncode is None:
                _end(process)
        if "result" in last:
            print_result(last["result"], as_json=as_json)
            return Exit.COMPLETED
        if "error" in last:
            if as_json:
                _print_json({"error": last["error"]})
            error = last["error"]
            steps = tuple(str(step) for step in error.get("next", ()))
            complain(
                UserError(
                    str(error.get("title", "the evaluation failed")), str(error.get("detail", "")), steps
                )
            )
            return Exit.USAGE if error.get("code") in ("E_CONFIG", "E_USAGE") else Exit.FAILED
        lines = "\n".join(f"| {line}" for line in last_lines(Path(said.name)))
        complain(UserError(f"the evaluator ended with status {process.returncode} and no result", lines))
        return Exit.FAILED


def _listen(stream: IO[bytes]) -> dict[str, Any]:
    """Narrate progress until the stream ends; return the last object that is a result or an error."""
    last: dict[str, Any] = {}
    narrate = Narration()
    for value in _objects(stream):
        if isinstance(value.get("progress"), dict):
            narrate.progress(value["progress"])
        elif isinstance(value.get("result"), dict) or isinstance(value.get("error"), dict):
            last = value
    narrate.close()
    return last


def _objects(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    for line in stream:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # a library that prints
        if isinstance(value, dict):
            yield value


class Narration:
    """Progress on stderr: one line that is overwritten on a terminal, else a line for each new phase."""

    def __init__(self) -> None:
        self._name = ""
        self._open = False
        self._terminal = sys.stderr.isatty()

    def progress(self, values: dict[str, Any]) -> None:
        """Show what the evaluator is busy with: `name`, and `done` of `total` where it tells them."""
        from wmse_tui.runs.events import Phase
        from wmse_tui.runs.sentences import phase_sentence
        from wmse_tui.runs.text import safe

        numbers = [values.get(key) for key in ("done", "total")]
        done, total = (float(n) if isinstance(n, (int, float)) else None for n in numbers)
        name = str(values.get("name", "evaluate"))
        text = safe(phase_sentence(Phase(name, done, total, str(values.get("unit", "")))), 78)
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            self._open = True
        elif name != self._name:
            sys.stderr.write(text + "\n")
        self._name = name
        sys.stderr.flush()

    def close(self) -> None:
        """End the line that was being overwritten."""
        if self._open:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def print_result(result: dict[str, Any], *, as_json: bool) -> None:
    """Print the result of an evaluation: accuracies are fractions in JSON and percentages for people."""
    from wmse_tui.runs.text import safe
    from wmse_tui.runs.words import duration, percent

    if as_json:
        _print_json(result)
        return
    knn, linear = result.get("knn"), result.get("linear")
    splits = f"{result.get('train_split', '-')} -> {result.get('test_split', '-')}"
    rows = []
    if isinstance(knn, dict):
        rows.append(f"{knn.get('k', 5)}-NN ({knn.get('metric', '')})  {percent(knn.get('top1'))}")
    if isinstance(linear, dict):
        top5 = linear.get("top5")
        rows.append(
            f"linear ({linear.get('solver', '')})  {percent(linear.get('top1'))}"
            + (f"  top-5 {percent(top5)}" if top5 is not None else "")
        )
    rows.append(f"{splits}, {duration(result.get('seconds'))}")
    rows += [f"{name}  {result[name]}" for name in ("checkpoint", "device", "file") if name in result]
    for row in rows:
        sys.stdout.write(safe(row) + "\n")


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _raise_terminated(*_: object) -> None:
    raise typer.Exit(Exit.TERMINATED)
