"""Names of worklists: those of several label files never share one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.data.worklists import worklist_names


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        ([], ()),
        (["/data/CollectedData.csv"], ("",)),
        (["/data/Labels_top.csv", "/data/Labels_side.csv"], ("Labels_top", "Labels_side")),
        (["/one/new/L.csv", "/two/new/L.csv"], ("one_new_L", "two_new_L")),
        (["/L.csv", "/data/L.csv"], ("L", "data_L")),
        (["/data/L.csv", ""], ("L", "")),
        (["/data/L.csv", "/data/l.csv"], ("1_L", "2_l")),  # one file where case is ignored
        (["/data/L.csv", "/data/L.h5"], ("1_L", "2_L")),
        (["/a_b/c/L.csv", "/a/b_c/L.csv", "/z/L.csv"], ("c_L", "b_c_L", "z_L")),
    ],
)
def test_names_of_worklists_differ(sources: list[str], names: tuple[str, ...]) -> None:
    assert worklist_names(sources) == names
    assert worklist_names([Path(source) if source else "" for source in sources]) == names
    assert len({name.casefold() for name in names}) == len(sources)
    assert not any("/" in name for name in names)
