"""`doctor` on several devices: a port, and the links between GPUs as NVML reports them."""

from __future__ import annotations

import errno
import socket
import sys
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from wmse_tui.cli.checks.links import gpu_link_findings, link_findings, port_finding


class NvmlError(Exception):
    """As pynvml's."""


def nvml(levels: dict[tuple[int, int], int], nvlinks: set[tuple[int, int]], cards: int) -> SimpleNamespace:
    """Cards by number, with the level of each pair; a pair without one is not reported."""

    def level(one: int, other: int) -> int:
        if (one, other) not in levels:
            raise NvmlError
        return levels[one, other]

    return SimpleNamespace(
        NVMLError=NvmlError,
        NVML_P2P_CAPS_INDEX_NVLINK=2,
        NVML_P2P_STATUS_OK=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: cards,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetP2PStatus=lambda one, other, _: 0 if (one, other) in nvlinks else 1,
        nvmlDeviceGetTopologyCommonAncestor=level,
    )


def test_the_links_of_each_pair_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml({(0, 2): 50, (1, 2): 30}, {(0, 1)}, 3))
    [finding] = gpu_link_findings()
    assert (finding.name, finding.status) == ("GPU links", "ok")
    assert finding.text == "NVLink: 0-1; across processors: 0-2; one PCIe host bridge: 1-2"
    monkeypatch.setitem(sys.modules, "pynvml", nvml({(0, 1): 15}, set(), 2))
    assert [each.text for each in gpu_link_findings()] == ["PCIe, level 15: 0-1"]
    monkeypatch.setitem(sys.modules, "pynvml", nvml({}, set(), 2))
    assert [each.text for each in gpu_link_findings()] == ["not reported: 0-1"]


@pytest.mark.parametrize("library", [None, nvml({}, set(), 1)])
def test_without_several_gpus_nothing_is_said_of_links(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)
    assert [finding.name for finding in link_findings()] == ["port"]


def test_a_port_that_cannot_be_opened_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    assert port_finding().status == "ok"

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket, "create_server", refuse)
    finding = port_finding()
    assert (finding.name, finding.status) == ("port", "warn")
    assert "Operation not permitted" in finding.text
    assert "one device only" in finding.text
    assert finding.fix
