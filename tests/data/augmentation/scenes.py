"""Pictures of which it is known where everything is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_pose.data.augmentation import Augmenter
from lightning_pose.ops.affine import invert_affine, resize_affine

NET_HW = (96, 128)
IMAGE_HW = (500, 300)  # portrait in a landscape network: pixels are far from square


@dataclass(frozen=True)
class Scene:
    """What an augmenter takes and returns."""

    images: Tensor
    keypoints_net: Tensor
    net_to_image: Tensor

    def changed(self, augmenter: Augmenter, *, seed: int = 0) -> Scene:
        return Scene(*augmenter(self.images, self.keypoints_net, self.net_to_image, seed=seed))


def draw_blobs(points: Tensor, *, radius: float = 5.0) -> Tensor:
    """Return pictures [n, h, w] of a bump (1 - (r / radius)^2)^2 at each of ``points`` [n, 2]."""
    rows = torch.arange(NET_HW[0], dtype=torch.float32)[:, None]
    columns = torch.arange(NET_HW[1], dtype=torch.float32)
    x, y = points[:, 0, None, None], points[:, 1, None, None]
    return (1 - ((columns - x) ** 2 + (rows - y) ** 2) / radius**2).clamp(min=0) ** 2


def centroids(pictures: Tensor) -> Tensor:
    """Return the centres of mass (x, y) of pictures [n, h, w]."""
    pictures = pictures.double()
    total = pictures.sum((-2, -1))
    x = (pictures.sum(-2) * torch.arange(pictures.shape[-1])).sum(-1) / total
    y = (pictures.sum(-1) * torch.arange(pictures.shape[-2])).sum(-1) / total
    return torch.stack([x, y], -1).float()


def to_image_maps(n: int, views: int = 1) -> Tensor:
    return invert_affine(resize_affine(IMAGE_HW, NET_HW)).expand(n, views, 2, 3)


def blob_scene(n: int = 64, *, seed: int = 0) -> Scene:
    """Return n samples with one keypoint each, in the middle part, and a blob on it."""
    rng = torch.Generator().manual_seed(seed)
    share = 0.25 + 0.5 * torch.rand(n, 2, generator=rng)
    points = share * torch.tensor([NET_HW[1], NET_HW[0]])
    images = draw_blobs(points)[:, None, None, None].expand(-1, 1, 1, 3, -1, -1)
    return Scene(images, points[:, None, None], to_image_maps(n))


def ramp_scene(n: int = 64, *, num_keypoints: int = 4, seed: int = 0) -> Scene:
    """Return n samples whose red tells a pixel's x and green its y, from 0.1 to 0.9."""
    rng = torch.Generator().manual_seed(seed)
    height, width = NET_HW
    points = torch.rand(n, 1, num_keypoints, 2, generator=rng) * torch.tensor([width, height])
    red = torch.linspace(0.1, 0.9, width).expand(height, width)
    green = torch.linspace(0.1, 0.9, height)[:, None].expand(height, width)
    images = torch.stack([red, green, torch.ones(height, width)])
    return Scene(images.expand(n, 1, 1, 3, height, width), points, to_image_maps(n))


def noise_scene(n: int = 6, *, views: int = 1, context: int = 1, seed: int = 0) -> Scene:
    """Return n samples of noise with seven keypoints, the fourth missing."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(n, views, context, 3, *NET_HW, generator=rng)
    points = 90.0 * torch.rand(n, views, 7, 2, generator=rng)
    points[:, :, 3] = torch.nan
    return Scene(images, points, to_image_maps(n, views))
