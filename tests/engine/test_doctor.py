"""The torch half of doctor: each reason why CUDA is not usable is recognised from the facts alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from wmse_tui.engine.doctor import CudaFacts, judge_cuda

WORKING = CudaFacts(
    built_for="12.8",
    rocm=None,
    visible_devices=None,
    cards=1,
    driver="570.124.06",
    driver_supports="12.8",
    driver_error=None,
    available=True,
)
BROKEN = replace(WORKING, available=False)


def test_a_usable_card_is_reported_with_its_driver() -> None:
    cuda = judge_cuda(WORKING)
    assert cuda.usable
    assert cuda.text == "CUDA 12.8, driver 570.124.06"


@pytest.mark.parametrize(
    ("facts", "reason", "text"),
    [
        (
            replace(BROKEN, visible_devices=""),
            "hidden",
            "CUDA_VISIBLE_DEVICES is set to '', which hides every card",
        ),
        (replace(BROKEN, visible_devices="-1"), "hidden", "CUDA_VISIBLE_DEVICES is set to '-1'"),
        (
            replace(BROKEN, cards=0, driver=None, driver_supports=None),
            "no_card",
            "no NVIDIA card in this machine",
        ),
        (
            replace(BROKEN, cards=0, driver=None, driver_supports=None, built_for=None),
            "no_card",
            "this torch is a CPU build too",
        ),
        (replace(BROKEN, built_for=None), "cpu_build", "this torch was built for the CPU only"),
        (
            replace(BROKEN, driver=None, driver_supports=None),
            "no_driver",
            "one NVIDIA card found, but the NVIDIA driver",
        ),
        (
            replace(BROKEN, driver="535.54.03", driver_supports="12.2", built_for="13.0"),
            "driver_too_old",
            "the driver 535.54.03 serves CUDA 12.2, this torch needs CUDA 13.0",
        ),
        (
            replace(BROKEN, driver=None, driver_supports="11.4"),
            "driver_too_old",
            "the driver serves CUDA 11.4, this torch needs CUDA 12.8",
        ),
        (replace(BROKEN, cards=0), "no_card", "no card is visible to this process"),
        (
            replace(BROKEN, cards=2, driver_error=803, torch_error="driver mismatch"),
            "unknown",
            "2 NVIDIA cards and a driver found, but CUDA does not start (cuInit returned 803): driver mis",
        ),
    ],
)
def test_each_cause_has_its_reason_text_and_remedy(facts: CudaFacts, reason: str, text: str) -> None:
    cuda = judge_cuda(facts)
    assert not cuda.usable
    assert cuda.reason == reason
    assert text in cuda.text
    assert cuda.fix


def test_a_newer_minor_release_of_cuda_is_no_obstacle_to_an_older_driver_of_the_same_major_one() -> None:
    assert judge_cuda(replace(BROKEN, driver_supports="12.2")).reason == "unknown"


def test_the_command_prints_one_json_object_and_obeys_the_environment() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "wmse_tui.engine.doctor"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["cuda"]["usable"] is False
    assert report["cuda"]["reason"] == "hidden"
    assert report["devices"] == []
    assert report["torch"]
    assert report["torchvision"]


@pytest.mark.parametrize(
    ("supports", "needs", "remedy"),
    [
        (
            "12.4",
            "13.0",
            "driver to 580 or newer, or install the torch build for CUDA 12.4: `pip ",
        ),
        ("12.4", "13.0", "install --force-reinstall torch torchvision --index-url .../whl/cu126`"),
        ("11.4", "12.8", "update the NVIDIA driver to 525 or newer"),
    ],
)
def test_the_remedy_for_an_old_driver_is_a_command(supports: str, needs: str, remedy: str) -> None:
    facts = replace(BROKEN, driver_supports=supports, built_for=needs)
    assert remedy in judge_cuda(facts).fix
