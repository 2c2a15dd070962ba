"""Label tables, batches, model descriptions and run records say no to what they cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.batches import DataSpec, LabeledBatch
from lightning_pose.contracts.errors import ConfigError, DataError, LitposeError, ModelError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.run_record import RunRecord


def labels(count: int = 3) -> LabelTable:
    return LabelTable(
        images=tuple(f"{i}.png" for i in range(count)),
        xy_img=np.arange(count * 4.0).reshape(count, 2, 2),
        keypoint_names=("nose", "tail"),
        root=Path("data"),
        visible=np.arange(count * 2).reshape(count, 2) % 3,
    )


def test_an_image_lies_under_the_root() -> None:
    assert labels().path(1) == Path("data/1.png")


@pytest.mark.parametrize("keep", [np.array([2, 0]), np.array([2, 0, 2])])
def test_rows_come_in_the_order_asked_for(keep: np.ndarray) -> None:
    found = labels().rows(keep)
    assert found.images == tuple(f"{i}.png" for i in keep)
    np.testing.assert_array_equal(found.xy_img, labels().xy_img[keep])
    assert found.visible is not None
    np.testing.assert_array_equal(found.visible[:, 0], (keep * 2) % 3)


def test_a_mask_chooses_rows() -> None:
    assert labels().rows(np.array([True, False, True])).images == ("0.png", "2.png")


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 images and 2 keypoints needs .* got \(2, 2, 2\)"):
        LabelTable(
            images=("a.png",),
            xy_img=np.zeros((2, 2, 2)),
            keypoint_names=("nose", "tail"),
            root=Path(),
        )


@pytest.mark.parametrize(("context", "halo"), [(1, 0), (5, 2)])
def test_a_context_needs_half_of_it_on_each_side(context: int, halo: int) -> None:
    assert DataSpec(context=context).halo == halo


def test_a_batch_moves_whole() -> None:
    batch = LabeledBatch(
        images=torch.zeros(1, 1, 1, 3, 4, 4),
        keypoints_net=torch.zeros(1, 1, 2, 2),
        net_to_image=torch.zeros(1, 1, 2, 3),
        row_ids=torch.zeros(1, dtype=torch.long),
    ).to("meta")
    assert {value.device.type for value in vars(batch).values()} == {"meta"}


def test_a_model_description_survives_json() -> None:
    spec = ModelSpec(
        model_type="heatmap",
        backbone="resnet18",
        keypoint_names=("nose", "tail"),
        image_height=128,
        image_width=256,
        params={"sigma": 1.25},
        view_names=("left", "right"),
    )
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert spec.num_keypoints == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keypoint_names": [], "odd": 1}', "3"])
def test_a_model_description_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="description in the checkpoint is not readable"):
        ModelSpec.from_json(text)


def test_a_run_record_survives_its_file(tmp_path: Path) -> None:
    record = RunRecord(run_id="0" * 32, command=("litpose", "train"), seeds={"data": 0})
    assert RunRecord.read(record.write(tmp_path / "run.json")) == record


def test_a_folder_without_a_record_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is missing; is .* a run directory"):
        RunRecord.read(tmp_path / "run.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run_id": "a", "odd": 1}'])
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(DataError, match=r"run\.json is not a run record"):
        RunRecord.read(tmp_path / "run.json")


def test_a_wrong_configuration_is_exit_code_two_and_the_rest_one() -> None:
    assert {kind.__name__: kind.exit_code for kind in LitposeError.__subclasses__()}.items() >= {
        ("ConfigError", 2),
        ("DataError", 1),
        ("WriteError", 1),
    }
    assert issubclass(ConfigError, LitposeError)
