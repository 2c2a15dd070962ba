"""Fused batch norms compute what PyTorch's do, with what comes after them."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from lightning_pose.models.backbones.fused import fuse_batch_norms, fused

ACTIVATIONS = (nn.Identity(), nn.ReLU(), nn.ReLU6())
SHAPES = ((4, 64, 16, 16), (3, 24, 7, 9), (2, 2048, 2, 2), (8, 130, 33, 17), (1, 8, 1, 2))


def networks() -> dict[str, nn.Module]:
    """Return the kinds of network whose modules are exchanged."""
    names = ("resnet18", "resnet50", "tf_efficientnet_lite0")
    return {name: timm.create_model(name, num_classes=0, global_pool="") for name in names}


@pytest.mark.parametrize("name", networks())
def test_names_weights_and_results_stay_what_they_were(name: str) -> None:
    plain = networks()[name].eval()
    other = copy.deepcopy(plain)
    fuse_batch_norms(other)
    assert list(other.state_dict()) == list(plain.state_dict())
    kinds = {type(module).__name__ for module in other.modules()}
    assert not kinds & {"BatchNorm2d", "BatchNormAct2d", "Bottleneck", "BasicBlock"}
    images = torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    for mode in (False, True):
        plain.train(mode), other.train(mode)
        torch.testing.assert_close(other(images), plain(images), rtol=0, atol=0)


def test_what_the_kernels_do_not_know_is_left_to_pytorch() -> None:
    norm = nn.BatchNorm2d(8)
    maps = torch.randn(2, 8, 4, 4)
    assert fused(norm, maps, nn.Identity()) is None  # on a CPU
    extra = timm.create_model("resnet18", num_classes=0, drop_path_rate=0.1)
    fuse_batch_norms(extra)
    assert any(type(module).__name__ == "BasicBlock" for module in extra.modules())


def expected_of(
    norm: nn.BatchNorm2d, maps: torch.Tensor, act: nn.Module, added: torch.Tensor | None
) -> torch.Tensor:
    """Return what PyTorch computes, in double precision."""
    return act(norm(maps.double()) + (0 if added is None else added.double()))


def nearly_all_close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    """Tell whether values agree, but for a few at the bend of an activation."""
    expected = expected.double()
    off = (found.double() - expected).abs() > tolerance * (1 + expected.abs().max())
    return off.double().mean().item() < 2e-3


@pytest.mark.gpu
class TestOnGPU:
    @pytest.mark.parametrize("act", ACTIVATIONS, ids=lambda act: type(act).__name__)
    @pytest.mark.parametrize("adds", [False, True], ids=["alone", "adding"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_values_gradients_and_running_means_are_those_of_pytorch(
        self, shape: tuple[int, ...], dtype: torch.dtype, adds: bool, act: nn.Module
    ) -> None:
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(shape[1]).cuda()
        nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
        reference = copy.deepcopy(norm).double()

        def some(scale: float, shift: float) -> torch.Tensor:
            maps = (scale * torch.randn(shape, device="cuda") + shift).to(dtype)
            return maps.to(memory_format=torch.channels_last).requires_grad_()

        maps, added = some(3.0, 7.0), some(1.0, 0.0) if adds else None
        ours = fused(norm, maps, act, added)
        assert ours is not None
        assert ours.dtype == dtype
        theirs = expected_of(reference, maps, act, added)
        tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-4
        assert nearly_all_close(ours, theirs, tolerance)
        weights = torch.randn_like(ours)
        inputs = [maps, norm.weight, norm.bias, *([added] if adds else [])]
        like = [maps, reference.weight, reference.bias, *([added] if adds else [])]
        found = torch.autograd.grad((ours * weights).sum(), inputs)
        wanted = torch.autograd.grad((theirs * weights.double()).sum(), like)
        for one, two in zip(found, wanted, strict=True):
            if one.ndim > 1:
                assert nearly_all_close(one, two, tolerance)
            else:  # a sum over pixels: some lie at the bend of an activation
                assert (one.double() - two).norm() < 2.5 * tolerance * two.norm()
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            torch.testing.assert_close(
                getattr(norm, name).double(),
                getattr(reference, name).double(),
                rtol=1e-4,
                atol=1e-4,
            )

    def test_the_same_maps_give_the_same_bits(self) -> None:
        norm = nn.BatchNorm2d(64).cuda()
        maps = torch.randn(16, 64, 64, 64, device="cuda").to(memory_format=torch.channels_last)
        maps.requires_grad_()
        results = []
        for _ in range(3):
            values = fused(norm, maps, nn.ReLU())
            assert values is not None
            results.append(
                (values, *torch.autograd.grad(values.square().sum(), [maps, norm.weight]))
            )
        for one in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(one, results[0], strict=True))

    @pytest.mark.parametrize("name", networks())
    def test_a_whole_network_learns_as_ever(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        plain = networks()[name].cuda().to(memory_format=torch.channels_last).train()
        for module in plain.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)  # ResNets begin with blocks that do nothing
        other = copy.deepcopy(plain)
        fuse_batch_norms(other)
        images = torch.randn(8, 3, 96, 96, device="cuda").to(memory_format=torch.channels_last)
        for net in (plain, other):
            net(images).square().mean().backward()
        largest = max(value.grad.norm() for value in plain.parameters())
        for (label, one), two in zip(plain.named_parameters(), other.parameters(), strict=True):
            # Some gradients, of a shift that a later norm takes away, are nothing but rounding.
            difference = (one.grad - two.grad).norm()
            assert difference < 0.2 * one.grad.norm() + 1e-4 * largest, label
        for (label, one), two in zip(plain.named_buffers(), other.buffers(), strict=True):
            torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-4, msg=label)
        assert any(isinstance(m, BatchNormAct2d) for m in other.modules()) == ("lite0" in name)

    def test_maps_of_more_tiles_than_a_grid_has_rows(self) -> None:
        norm = nn.BatchNorm2d(64).cuda()
        shape = (260, 64, 128, 128)
        maps = torch.randn(shape, device="cuda", dtype=torch.bfloat16)
        maps = maps.to(memory_format=torch.channels_last).requires_grad_()
        found = fused(norm, maps, nn.ReLU())
        assert found is not None
        gradient = torch.autograd.grad(found.square().sum(), maps)[0]
        assert gradient.isfinite().all()
        for end in (found[0].float(), found[-1].float()):
            assert abs(end.mean() - 0.399) < 0.01  # of relu of a normal number
            assert abs(end.std() - 0.584) < 0.01
