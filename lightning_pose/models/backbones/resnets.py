"""Residual networks: ImageNet's, and ResNet-50s trained on poses or without labels."""

from __future__ import annotations

from lightning_pose.models.backbones.recipes import Recipe, register
from lightning_pose.models.backbones.weights import CLASSIFIERS, WeightSource

MMPOSE = "https://download.openmmlab.com/mmpose"
SWAV = "https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar"

MMPOSE_WEIGHTS = {  # from the model zoo of MMPose 0.x; keys "backbone.*" in "state_dict"
    "resnet50_animal_apose": (
        "animal/resnet/res50_animalpose_256x256-e1f30bff_20210426.pth",
        "animal poses (Animal-Pose)",
    ),
    "resnet50_animal_ap10k": (
        "animal/resnet/res50_ap10k_256x256-35760eb8_20211029.pth",
        "animal poses (AP-10K)",
    ),
    "resnet50_human_jhmdb": (
        "top_down/resnet/res50_jhmdb_sub1_256x256-932cb3b4_20201122.pth",
        "human poses (JHMDB)",
    ),
    "resnet50_human_res_rle": (
        "top_down/deeppose/deeppose_res50_coco_256x192_rle-2ea9bb4a_20220616.pth",
        "human poses (COCO, by regression)",
    ),
    "resnet50_human_top_res": (
        "top_down/resnet/res50_mpii_256x256-418ffc88_20200812.pth",
        "human poses (MPII)",
    ),
    "resnet50_human_hand": (
        "hand/resnet/res50_onehand10k_256x256-739c8639_20210330.pth",
        "human hands (OneHand10K)",
    ),
}

for _depth in (18, 34, 50, 101, 152):
    _net = f"resnet{_depth}.tv_in1k"
    register(
        Recipe(name=f"resnet{_depth}", net=_net, source=WeightSource(hub_id=f"timm/{_net}")),
        f"ResNet-{_depth}, ImageNet.",
    )

for _name, (_file, _what) in MMPOSE_WEIGHTS.items():
    _source = WeightSource(
        url=f"{MMPOSE}/{_file}", heads=("keypoint_head.", "head.", "neck.", *CLASSIFIERS)
    )
    register(Recipe(name=_name, net="resnet50", source=_source), f"ResNet-50, {_what}.")

register(
    Recipe(
        name="resnet50_contrastive",
        net="resnet50",
        source=WeightSource(
            url=SWAV, heads=("projection_head.", "prototypes.", "projection.", *CLASSIFIERS)
        ),
    ),
    "ResNet-50, ImageNet without labels (SwAV).",
)
