"""Points and pictures move together: what was at a point is found at the moved point."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lightning_pose.contracts.registry import AUGMENTATIONS
from lightning_pose.data.augmentation import build_augmenter
from lightning_pose.ops.affine import apply_affine
from tests.data.augmentation.scenes import NET_HW, Scene, blob_scene, centroids, ramp_scene

TOLERANCE_PX = 0.05
EXTREMES = {
    "Affine": {"rotate": [-180, 180], "scale": [0.7, 1.3], "shear": [-20, 20]},
    "Rotate": {"rotate": [25, 25]},
    "Rot90": {"k": [1, 2, 3]},
    "CropAndPad": {"percent": [-0.15, 0.15]},
    "Fliplr": {"pairs": []},
    "Flipud": {"pairs": []},
    "MotionBlur": {"k": 9},
    "GaussianBlur": {"sigma": 3},
}
# The centre of mass of a blob means nothing where patches, edges or grey levels change; that those
# stay in place is shown in test_transforms.py. Elastic displacement bends the blob itself, which
# shifts its centre of mass by up to 0.2 px for a radius of 5; it is tested with ramps.
NOT_FOR_BLOBS = [
    "AllChannelsCLAHE",
    "AllChannelsHistogramEqualization",
    "CoarseDropout",
    "CoarsePepper",
    "CoarseSalt",
    "ElasticTransformation",
    "Emboss",
]


def inside(points: Tensor, margin: float) -> Tensor:
    """Return which of ``points`` lie in the picture, at least ``margin`` pixels from its edges."""
    size = torch.tensor([NET_HW[1], NET_HW[0]])
    return ((points > margin) & (points < size - 1 - margin)).all(-1)


def blob_errors(scene: Scene) -> Tensor:
    """Return how far blobs lie from keypoints, of the blobs that are wholly in the picture."""
    points = scene.keypoints_net[:, 0, 0]
    whole = inside(points, margin=14.0)
    assert whole.sum() >= 10
    return (centroids(scene.images[:, 0, 0, 0]) - points).norm(dim=-1)[whole]


@pytest.mark.parametrize("name", EXTREMES)
def test_blob_stays_on_its_keypoint_under_each_transform(name: str) -> None:
    augmenter = build_augmenter({name: {"p": 1.0, "args": EXTREMES[name]}})
    changed = blob_scene().changed(augmenter)
    assert blob_errors(changed).max() < TOLERANCE_PX


@pytest.mark.parametrize("preset", AUGMENTATIONS.names())
@pytest.mark.parametrize("seed", range(4))
def test_blob_stays_on_its_keypoint_under_each_preset(preset: str, seed: int) -> None:
    chain = {"preset": preset} | {name: {"p": 0.0} for name in NOT_FOR_BLOBS}
    changed = blob_scene(seed=seed).changed(build_augmenter(chain, hflip_pairs=[]), seed=seed)
    assert blob_errors(changed).max() < TOLERANCE_PX


@pytest.mark.parametrize(
    "chain",
    [
        {name: {"p": 1.0, "args": EXTREMES[name]}}
        for name in ("Affine", "Rotate", "Rot90", "CropAndPad", "Fliplr", "Flipud")
    ]
    + [{"preset": name} for name in AUGMENTATIONS.names()]
    + [
        {"ElasticTransformation": {"p": 1.0, "args": {"alpha": 10, "sigma": 5}}},
        {"ElasticTransformation": {"p": 1.0, "args": {"alpha": 150, "sigma": 15}}},
        {
            "Affine": {"p": 1.0, "args": EXTREMES["Affine"]},
            "Flipud": {"p": 0.5, "args": {"pairs": []}},
            "CropAndPad": {"p": 1.0},
            "ElasticTransformation": {"p": 1.0, "args": {"alpha": 20}},
        },
    ],
    ids=lambda chain: "+".join([chain.get("preset", ""), *chain]).strip("+"),
)
def test_picture_at_the_moved_point_tells_where_it_came_from(chain: dict) -> None:
    before = ramp_scene()
    geometry_only = {name: {"p": 0.0} for name in AUGMENTATIONS.get("dlc-mv")()}
    after = before.changed(build_augmenter(chain | geometry_only))
    points = after.keypoints_net[:, 0]
    size = torch.tensor([NET_HW[1], NET_HW[0]])
    grid = ((2 * points + 1) / size - 1)[:, None]
    read = functional.grid_sample(after.images[:, 0, 0], grid, align_corners=False)[:, :, 0]
    came_from = (read[:, :2].transpose(1, 2) - 0.1) / 0.8 * (size - 1)
    known = inside(points, 2.0) & inside(before.keypoints_net[:, 0], 2.0)
    assert known.sum() > 50
    assert (came_from - before.keypoints_net[:, 0]).norm(dim=-1)[known].max() < TOLERANCE_PX


@pytest.mark.parametrize("preset", AUGMENTATIONS.names())
def test_net_to_image_leads_back_to_the_original_pixels(preset: str) -> None:
    before = ramp_scene(n=200)
    rigid = {"preset": preset, "ElasticTransformation": {"p": 0.0}}
    after = before.changed(build_augmenter(rigid, hflip_pairs=[]))
    was = apply_affine(before.net_to_image, before.keypoints_net)
    now = apply_affine(after.net_to_image, after.keypoints_net)
    assert (now - was).norm(dim=-1).max() < 0.01


def test_elastic_displacement_stays_out_of_net_to_image_and_is_small() -> None:
    before = ramp_scene(n=400)
    elastic = build_augmenter({"ElasticTransformation": {"p": 1.0, "args": {"alpha": 10}}})
    after = before.changed(elastic)
    assert torch.equal(after.net_to_image, before.net_to_image)
    moved = after.keypoints_net - before.keypoints_net
    assert moved.square().mean().sqrt() == pytest.approx(0.33, abs=0.03)
    assert moved.abs().max() < 1.6


def test_rotation_is_true_in_the_proportions_of_the_original_image() -> None:
    before = ramp_scene()
    after = before.changed(build_augmenter({"Rotate": {"p": 1.0, "args": {"rotate": 25}}}))
    was = apply_affine(before.net_to_image, before.keypoints_net)
    shown = apply_affine(
        before.net_to_image, after.keypoints_net
    )  # as a viewer would unstretch it
    center = torch.tensor([(300 - 1) / 2, (500 - 1) / 2])
    torch.testing.assert_close((was - center).norm(dim=-1), (shown - center).norm(dim=-1))
    angle = torch.atan2(*(shown - center).unbind(-1)[::-1]) - torch.atan2(
        *(was - center).unbind(-1)[::-1]
    )
    torch.testing.assert_close(
        torch.rad2deg(angle).remainder(360.0), torch.full_like(angle, 25.0), atol=0.01, rtol=0
    )


def test_quarter_turns_in_a_square_picture_only_rearrange_pixels() -> None:
    images = torch.rand(32, 1, 1, 3, 64, 64)
    points = 64 * torch.rand(32, 1, 5, 2)
    to_image = torch.eye(2, 3).expand(32, 1, 2, 3)
    augmenter = build_augmenter({"Rot90": {"p": 1.0, "args": {"k": 1}}})
    turned, moved, _ = augmenter(images, points, to_image, seed=0)
    torch.testing.assert_close(turned, images.rot90(-1, (-2, -1)), atol=1e-4, rtol=0)
    expected = torch.stack([63 - points[..., 1], points[..., 0]], -1)
    torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)
