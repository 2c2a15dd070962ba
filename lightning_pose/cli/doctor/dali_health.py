"""Whether NVIDIA DALI works here, and in the build that fits."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lightning_pose.cli.doctor.finding import LIMITED, OK, Finding

CUDA_12, CUDA_13 = "nvidia-dali-cuda120", "nvidia-dali-cuda130"
OLDEST_DRIVER_FOR_CUDA_13 = 580
_USE = "for --reader dali (decodes on a GPU) and dali.general.engine=dali"


@dataclass(frozen=True, kw_only=True)
class DaliFacts:
    """What decides which DALI belongs here.

    Attributes:
        wheels: version of each installed DALI, by distribution.
        problem: why it cannot be imported; None if it can.
        driver: major version of the NVIDIA driver; None = there is none.
        system: whether DALI is built for this system at all.
    """

    wheels: dict[str, str] = field(default_factory=dict[str, str])
    problem: str | None = None
    driver: int | None = None
    system: bool = True

    @property
    def too_new(self) -> bool:
        """Tell whether the driver cannot run DALI for CUDA 13.

        DALI for CUDA 12 runs beside torch for CUDA 13 too.
        """
        is_old = self.driver is not None and self.driver < OLDEST_DRIVER_FOR_CUDA_13
        return CUDA_13 in self.wheels and is_old


def dali(folder: Path) -> Finding:
    """Return whether DALI is there and fits."""
    return dali_finding(_facts())


def dali_finding(facts: DaliFacts) -> Finding:
    """Return what the facts amount to."""
    name = "NVIDIA DALI"
    named = ", ".join(f"{wheel} {version}" for wheel, version in facts.wheels.items())
    anew = f"pip uninstall -y {' '.join(facts.wheels)} && pip install {CUDA_12}"
    if not facts.system:
        detail = "not built for this system: PyAV and torch do its work"
        return Finding(name=name, state=OK, detail=detail)
    if not facts.wheels:
        detail = f"not installed: PyAV and torch do its work; {_USE}"
        return Finding(name=name, state=LIMITED, detail=detail, cure=f"pip install {CUDA_12}")
    if len(facts.wheels) > 1:
        detail = f"{named}: they hold the same files, and each breaks the other"
        return Finding(name=name, state=LIMITED, detail=detail, cure=anew)
    if facts.problem is not None:
        detail = f"{named}: {facts.problem} PyAV and torch do its work"
        return Finding(name=name, state=LIMITED, detail=detail, cure=anew)
    if facts.too_new:
        about = f"needs driver {OLDEST_DRIVER_FOR_CUDA_13}, this one is {facts.driver}"
        return Finding(name=name, state=LIMITED, detail=f"{named} {about}", cure=anew)
    return Finding(name=name, state=OK, detail=f"{named}, {_USE}")


def nvdec(folder: Path) -> Finding:
    """Return whether a tiny video is decoded on the GPU."""
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        detail = "no GPU here: PyAV decodes on the CPU"
        return Finding(name="NVDEC", state=OK, detail=detail)
    from lightning_pose.video.nvdec_trial import why_no_nvdec

    reason = why_no_nvdec()
    if reason is None:
        return Finding(
            name="NVDEC", state=OK, detail="PyNvVideoCodec decoded a tiny H.264 video with it"
        )
    return Finding(
        name="NVDEC",
        state=LIMITED,
        detail=f"{reason} PyAV decodes on the CPU",
        cure="start containers with NVIDIA_DRIVER_CAPABILITIES=all, or leave --reader at auto",
    )


def _facts() -> DaliFacts:
    from lightning_pose.video.sequence_input import why_no_dali

    wheels: dict[str, str] = {}
    for wheel in (CUDA_12, CUDA_13):
        try:
            wheels[wheel] = importlib.metadata.version(wheel)
        except importlib.metadata.PackageNotFoundError:
            continue
    return DaliFacts(
        wheels=wheels,
        problem=why_no_dali() if wheels else None,
        driver=_driver(),
        system=sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64"),
    )


def _driver() -> int | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    version = done.stdout.strip().split(".")[0]
    return int(version) if version.isdigit() else None
