"""The chain: what it promises about chance, time, missing points and the device."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_pose.contracts.registry import AUGMENTATIONS
from lightning_pose.data.augmentation import Augmenter, build_augmenter
from lightning_pose.data.augmentation.transform import TRANSFORMS
from tests.data.augmentation.scenes import NET_HW, Scene, noise_scene

ALL = {
    name: {"p": 0.7, "args": {"pairs": [[0, 1]]} if "Flip" in name else {}}
    for name in TRANSFORMS.names()
}


class Operations(TorchDispatchMode):
    """Records which operations were asked of the device."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.masks = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        if func.overloadpacket.__name__ in ("index", "index_put_", "index_put"):
            self.masks += sum(i is not None and i.dtype == torch.bool for i in args[1])
        return func(*args, **(kwargs or {}))


def same(first: Scene, second: Scene) -> bool:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all(torch.equal(a.nan_to_num(-1e9), b.nan_to_num(-1e9)) for a, b in pairs)


@pytest.mark.parametrize("name", ["default", "none"])
def test_no_augmentation_only_makes_floats(name: str) -> None:
    scene = noise_scene()
    bytes_ = (scene.images * 255).to(torch.uint8)
    images, points, to_image = build_augmenter(name)(
        bytes_, scene.keypoints_net, scene.net_to_image, seed=0
    )
    torch.testing.assert_close(images, bytes_ / 255)
    torch.testing.assert_close(points, scene.keypoints_net, equal_nan=True)
    assert torch.equal(to_image, scene.net_to_image)


@pytest.mark.parametrize("chain", [*AUGMENTATIONS.names(), ALL], ids=str)
def test_same_seed_gives_the_same_bits_and_another_seed_does_not(chain: Any) -> None:
    scene, augmenter = noise_scene(views=2), build_augmenter(chain)
    first = scene.changed(augmenter, seed=7)
    torch.rand(5)  # the global generators are neither used nor moved
    assert same(first, scene.changed(build_augmenter(chain), seed=7))
    if augmenter.steps:
        assert not same(first, scene.changed(augmenter, seed=8))


def test_global_generators_are_not_touched() -> None:
    before = torch.get_rng_state()
    noise_scene().changed(build_augmenter(ALL))
    assert torch.equal(torch.get_rng_state(), before)


def test_arguments_are_left_as_they_were() -> None:
    scene = noise_scene()
    kept = Scene(*(value.clone() for value in vars(scene).values()))
    for seed in range(3):
        scene.changed(build_augmenter(ALL), seed=seed)
    assert same(scene, kept)


@pytest.mark.parametrize("name", ALL)
def test_frames_of_one_sample_share_a_draw(name: str) -> None:
    scene = noise_scene(n=4, views=2)
    still = Scene(
        scene.images.expand(-1, -1, 5, -1, -1, -1), scene.keypoints_net, scene.net_to_image
    )
    images = still.changed(build_augmenter({name: ALL[name]})).images
    torch.testing.assert_close(images, images[:, :, :1].expand_as(images), atol=1e-6, rtol=0)


def test_samples_and_views_draw_for_themselves() -> None:
    scene = noise_scene(n=3, views=2)
    rotate = build_augmenter({"Rotate": {"p": 1.0}})
    maps = scene.changed(rotate).net_to_image.flatten(0, 1)
    assert len(maps[:, 0, 1].unique()) == 6


def test_what_a_transform_draws_does_not_depend_on_the_others() -> None:
    scene = noise_scene(n=20)
    alone = scene.changed(build_augmenter({"Rotate": {"p": 0.5}}))
    chain = {"MotionBlur": {"p": 0.5}, "Rotate": {"p": 0.5}, "CoarseSalt": {"p": 1.0}}
    together = scene.changed(build_augmenter(chain))
    torch.testing.assert_close(together.keypoints_net, alone.keypoints_net, equal_nan=True)


def test_missing_points_stay_missing_and_others_do_not_become_missing() -> None:
    scene = noise_scene()
    for seed in range(5):
        changed = scene.changed(build_augmenter(ALL), seed=seed)
        flipped = scene.keypoints_net.isnan()  # the missing point is in no pair
        assert torch.equal(changed.keypoints_net.isnan(), flipped)


def test_point_moved_outside_keeps_its_coordinates() -> None:
    points = torch.tensor([[[[0.0, 0.0]]]])
    scene = Scene(torch.zeros(1, 1, 1, 3, *NET_HW), points, torch.eye(2, 3).view(1, 1, 2, 3))
    shift = {"Affine": {"p": 1.0, "args": {"translate_percent": -0.5}}}
    moved = scene.changed(build_augmenter(shift)).keypoints_net[0, 0, 0]
    torch.testing.assert_close(moved, torch.tensor([-64.0, -48.0]))


def test_samples_that_were_not_picked_are_the_same_to_the_bit() -> None:
    scene = noise_scene(n=40)
    step = build_augmenter({"Rotate": {"p": 0.5}}).steps[0]
    _, picked = step.start(3, 40)
    assert 10 < len(picked) < 30
    changed = scene.changed(Augmenter((step,)), seed=3)
    for row in sorted(set(range(40)) - set(picked.tolist())):
        assert torch.equal(changed.images[row], scene.images[row])
        assert torch.equal(changed.net_to_image[row], scene.net_to_image[row])


def test_probability_is_the_share_of_samples_that_change() -> None:
    step = build_augmenter({"Rotate": {"p": 0.3}}).steps[0]
    share = sum(len(step.start(seed, 50)[1]) for seed in range(200)) / (50 * 200)
    assert share == pytest.approx(0.3, abs=0.02)


def test_flip_mirrors_the_picture_and_swaps_left_and_right() -> None:
    scene = noise_scene()
    flip = {"Fliplr": {"p": 1.0, "args": {"pairs": [[0, 2], [5, 6]]}}}
    flipped = scene.changed(build_augmenter(flip))
    torch.testing.assert_close(flipped.images, scene.images.flip(-1), atol=1e-5, rtol=0)
    swapped = scene.keypoints_net[:, :, [2, 1, 0, 3, 4, 6, 5]]
    expected = torch.stack([NET_HW[1] - 1 - swapped[..., 0], swapped[..., 1]], -1)
    torch.testing.assert_close(flipped.keypoints_net, expected, equal_nan=True)


def test_flipping_both_ways_swaps_twice() -> None:
    scene = noise_scene()
    both = {name: {"p": 1.0, "args": {"pairs": [[0, 2]]}} for name in ("Fliplr", "Flipud")}
    flipped = scene.changed(build_augmenter(both))
    size = torch.tensor([NET_HW[1], NET_HW[0]])
    torch.testing.assert_close(
        flipped.keypoints_net, size - 1 - scene.keypoints_net, equal_nan=True
    )


def test_channels_last_pictures_give_the_same_result() -> None:
    scene = noise_scene()
    last = scene.images.flatten(0, 2).contiguous(memory_format=torch.channels_last)
    other = Scene(last.view_as(scene.images), scene.keypoints_net, scene.net_to_image)
    assert same(scene.changed(build_augmenter(ALL)), other.changed(build_augmenter(ALL)))


@pytest.mark.parametrize("chain", [*AUGMENTATIONS.names(), ALL], ids=str)
def test_device_is_never_asked_for_an_answer(chain: Any) -> None:
    scene = noise_scene(n=8)
    with Operations() as seen:
        scene.changed(build_augmenter(chain))
    waits = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "item"}
    assert not waits & set(seen.counts)
    assert seen.masks == 0


def test_number_of_operations_does_not_grow_with_the_batch() -> None:
    chain = {"preset": "dlc"} | {name: {"p": 1.0} for name in AUGMENTATIONS.get("dlc")()}
    counts = []
    for n in (2, 8):
        with Operations() as seen:
            noise_scene(n=n).changed(build_augmenter(chain))
        counts.append(seen.counts.total())
    assert counts[0] == pytest.approx(counts[1], abs=5)


def test_augmenter_shows_what_it_does() -> None:
    assert repr(build_augmenter("none")) == "Augmenter(no change)"
    assert "Rotate(rotate=(-25.0, 25.0)) with p=0.4" in repr(build_augmenter("dlc"))


@pytest.mark.gpu
@pytest.mark.parametrize("chain", [*AUGMENTATIONS.names(), ALL], ids=str)
def test_gpu_gives_what_the_cpu_gives_and_is_never_waited_for(chain: Any) -> None:
    scene, augmenter = noise_scene(n=8), build_augmenter(chain)
    on_gpu = Scene(*(value.cuda() for value in vars(scene).values()))
    on_gpu.changed(augmenter)
    torch.cuda.set_sync_debug_mode("error")
    try:
        changed = on_gpu.changed(augmenter)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = scene.changed(augmenter)
    _assert_close(changed.keypoints_net, expected.keypoints_net)
    _assert_close(changed.net_to_image, expected.net_to_image)
    # Equalisation counts pixels by level: one that rounds the other way moves a level by 1/255.
    assert (changed.images.cpu() - expected.images).abs().mean() < 1e-3


def _assert_close(first: Tensor, second: Tensor) -> None:
    torch.testing.assert_close(first.cpu(), second, atol=0.01, rtol=0, equal_nan=True)
