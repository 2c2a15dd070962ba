"""Left and right in the names of keypoints."""

from __future__ import annotations

import pytest

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.data.augmentation import find_hflip_pairs


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["nose", "ear_left", "ear_right"], {(1, 2)}),
        (["left_ear", "nose", "right_ear"], {(0, 2)}),
        (["LeftEar", "RightEar", "Nose"], {(0, 1)}),
        (["LEFT_EAR", "RIGHT_EAR"], {(0, 1)}),
        (["earL", "earR", "tail"], {(0, 1)}),
        (["L_ear", "R_ear", "L_paw", "R_paw"], {(0, 1), (2, 3)}),
        (["l_ear", "r_ear", "lEye", "rEye"], {(0, 1), (2, 3)}),
        (["Ear.L", "Ear.R"], {(0, 1)}),
        (["LEar", "REar"], {(0, 1)}),
        (["paw1LH_top", "paw2LF_top", "paw3RF_top", "paw4RH_top"], {(0, 3), (1, 2)}),
        (["nose", "rump", "Rump2", "lip", "belly", "neck"], set()),
        (["paw1L", "paw2L", "paw1R", "paw2R"], {(0, 2), (1, 3)}),
        (["left_paw_left_cam", "right_paw_left_cam"], {(0, 1)}),
        ([], set()),
    ],
    ids=str,
)
def test_pairs_are_found_from_names(names: list[str], pairs: set[tuple[int, int]]) -> None:
    assert set(find_hflip_pairs(names)) == pairs


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nose", "ear_left"], "'ear_left' has no partner"),
        (["paw1L", "paw2R", "paw3R"], "'paw1L' could mirror to any of paw2R, paw3R"),
    ],
)
def test_side_without_one_clear_partner_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find_hflip_pairs(names)
