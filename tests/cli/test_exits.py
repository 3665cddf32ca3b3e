"""Exit statuses: the numbers are a promise to job scripts."""

from __future__ import annotations

from wmse_tui.cli.exits import ExitCode, exit_code_table


def test_the_numbers_are_those_that_scripts_rely_on() -> None:
    assert {member.name: int(member) for member in ExitCode} == {
        "COMPLETED": 0,
        "FAILED": 1,
        "USAGE": 2,
        "DIVERGED": 3,
        "STOPPED": 4,
        "BUSY": 73,
        "HUNG_UP": 129,
        "INTERRUPTED": 130,
        "OUTPUT_CLOSED": 141,
        "TERMINATED": 143,
    }


def test_every_number_has_one_sentence_in_the_table() -> None:
    lines = exit_code_table().splitlines()
    assert len(lines) == len(ExitCode)
    for member, line in zip(ExitCode, lines, strict=True):
        assert member.sentence.endswith(".")
        assert line.split(maxsplit=1) == [str(int(member)), member.sentence]


def test_the_exit_code_follows_the_status_of_the_run() -> None:
    statuses = ("completed", "failed", "diverged", "stopped", "something of a later version")
    assert [ExitCode.of_status(status) for status in statuses] == [0, 1, 3, 4, 1]
