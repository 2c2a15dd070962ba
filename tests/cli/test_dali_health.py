"""`litpose doctor` says which DALI fits, and whether the video engine works."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_pose.cli.doctor import dali_health
from lightning_pose.cli.doctor.dali_health import CUDA_12, CUDA_13, DaliFacts, dali_finding, nvdec
from lightning_pose.cli.doctor.finding import LIMITED, OK
from lightning_pose.video import nvdec_trial


@pytest.mark.parametrize(
    ("facts", "state", "said", "cure"),
    [
        (DaliFacts(), LIMITED, "not installed", f"pip install {CUDA_12}"),
        (DaliFacts(system=False), OK, "not built for this system", ""),
        (DaliFacts(wheels={CUDA_12: "2.4.0"}), OK, f"{CUDA_12} 2.4.0, for --reader dali", ""),
        (DaliFacts(wheels={CUDA_12: "2.4.0"}, driver=580), OK, "2.4.0", ""),
        (DaliFacts(wheels={CUDA_13: "2.4.0"}, driver=580), OK, f"{CUDA_13} 2.4.0", ""),
        (DaliFacts(wheels={CUDA_13: "2.4.0"}), OK, f"{CUDA_13} 2.4.0", ""),
        (
            DaliFacts(wheels={CUDA_13: "2.4.0"}, driver=550),
            LIMITED,
            "needs driver 580, this one is 550",
            f"pip uninstall -y {CUDA_13} && pip install {CUDA_12}",
        ),
        (
            DaliFacts(wheels={CUDA_12: "2.4.0", CUDA_13: "2.4.0"}, driver=580),
            LIMITED,
            "the same files",
            f"pip uninstall -y {CUDA_12} {CUDA_13} && pip install {CUDA_12}",
        ),
        (
            DaliFacts(wheels={CUDA_12: "2.4.0"}, problem="NVIDIA DALI cannot be imported (x)."),
            LIMITED,
            "cannot be imported (x). PyAV",
            f"pip uninstall -y {CUDA_12} && pip install {CUDA_12}",
        ),
    ],
)
def test_findings_and_their_cures(facts: DaliFacts, state: str, said: str, cure: str) -> None:
    finding = dali_finding(facts)
    assert (finding.state, finding.cure) == (state, cure)
    assert said in finding.detail


def test_without_a_gpu_nvdec_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    finding = nvdec(Path())
    assert finding.state == OK
    assert "no GPU" in finding.detail


def test_an_engine_that_fails_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(nvdec_trial, "why_no_nvdec", lambda: "NVDEC failed (libnvcuvid).")
    finding = nvdec(Path())
    assert finding.state == LIMITED
    assert finding.detail.startswith("NVDEC failed (libnvcuvid). PyAV")
    assert "NVIDIA_DRIVER_CAPABILITIES" in finding.cure


def test_a_driver_is_known_by_its_major_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dali_health._driver() is None
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 580.159.04\n")
    tool.chmod(0o755)
    assert dali_health._driver() == 580
