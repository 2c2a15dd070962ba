"""Sums have a fixed order inside the context and nowhere else; bf16 is taken where it is fast."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_pose.ops import arithmetic
from lightning_pose.ops.arithmetic import fixed_order_of_sums


def test_the_order_is_fixed_inside_and_as_before_outside() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with fixed_order_of_sums():
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_an_error_inside_leaves_no_trace() -> None:
    with pytest.raises(ZeroDivisionError), fixed_order_of_sums():
        raise ZeroDivisionError
    assert not torch.are_deterministic_algorithms_enabled()


def test_without_the_wish_nothing_changes() -> None:
    with fixed_order_of_sums(wanted=False):
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("vendor", "avx", "amx", "fast"),
    [
        ("AuthenticAMD", True, False, True),
        ("GenuineIntel", True, True, True),
        ("GenuineIntel", True, False, False),
        ("AuthenticAMD", False, False, False),
        ("", True, False, True),
    ],
)
def test_bf16_is_taken_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vendor: str, avx: bool, amx: bool, fast: bool
) -> None:
    about = tmp_path / "cpuinfo"
    if vendor:
        about.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nmodel\t\t: 207\n")
    monkeypatch.setattr(arithmetic, "_CPU_INFO", about)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert arithmetic.bf16_is_fast_on_cpu() is fast
