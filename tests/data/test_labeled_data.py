"""A configured data set, from files to batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_pose.config.schema import DataConfig, OriginalDims, TrainingConfig
from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labeled_data import (
    LabeledData,
    build_labeled_data,
    evaluation_loader,
    read_tables,
)
from lightning_pose.data.labels import write_labels
from lightning_pose.ops.affine import apply_affine

MakeTable = Callable[..., LabelTable]
SPEC = DataSpec(height=32, width=64)


@pytest.fixture
def project(make_table: MakeTable, tmp_path: Path) -> Path:
    """Return a data folder with 20 labelled images."""
    write_labels(make_table(20), tmp_path / "CollectedData.csv")
    return tmp_path


def build(
    project: Path,
    *,
    data: dict[str, Any] | None = None,
    spec: DataSpec = SPEC,
    base_dir: Path | None = None,
    **training: Any,
) -> LabeledData:
    return build_labeled_data(
        DataConfig(**({"data_dir": str(project)} | (data or {}))),
        TrainingConfig(**({"imgaug": "none"} | training)),
        spec,
        base_dir=base_dir,
    )


def test_a_project_becomes_loaders_over_its_split(project: Path) -> None:
    labeled = build(project, train_prob=0.6, val_prob=0.2, train_batch_size=5)
    assert labeled.keypoint_names == ("nose", "tail", "paw")
    assert labeled.warnings == ()
    for loader, part in ((labeled.train_loader(), "train"), (labeled.val_loader(), "validation")):
        shown = torch.cat([batch.row_ids for batch in loader])
        assert sorted(shown.tolist()) == labeled.split.rows(part).tolist()
    assert [len(batch.row_ids) for batch in labeled.train_loader()] == [5, 5, 2]


def test_prediction_shows_every_row_in_order_and_unchanged(project: Path) -> None:
    labeled = build(project, imgaug="dlc", test_batch_size=6)
    batches = list(labeled.predict_loader())
    assert torch.cat([batch.row_ids for batch in batches]).tolist() == list(range(20))
    found = torch.cat([apply_affine(b.net_to_image, b.keypoints_net) for b in batches])
    expected = torch.from_numpy(labeled.tables[0].xy_img).float()[:, None]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_validation_is_never_augmented_and_training_is(project: Path) -> None:
    labeled = build(project, imgaug={"Rotate": {"p": 1.0, "args": {"rotate": [80, 90]}}})
    plain = build(project)
    for batch, same in zip(labeled.val_loader(), plain.val_loader(), strict=True):
        assert torch.equal(batch.images, same.images)
    batch, same = next(iter(labeled.train_loader())), next(iter(plain.train_loader()))
    assert torch.equal(batch.row_ids, same.row_ids)
    assert not torch.equal(batch.images, same.images)


def test_augmented_labels_lead_back_to_the_originals(project: Path) -> None:
    labeled = build(project, imgaug="dlc", imgaug_hflip=False)
    xy_img = torch.from_numpy(labeled.tables[0].xy_img).float()
    loader = labeled.train_loader()
    loader.set_epoch(3)
    for batch in loader:
        found = apply_affine(batch.net_to_image, batch.keypoints_net)[:, 0]
        assert (found - xy_img[batch.row_ids]).abs().median() < 0.5


def test_the_model_seed_orders_and_the_data_seed_splits(project: Path) -> None:
    def order(**seeds: int) -> list[int]:
        return torch.cat([b.row_ids for b in build(project, **seeds).train_loader()]).tolist()

    base = order()
    assert order(rng_seed_model_pt=1) != base
    assert sorted(order(rng_seed_model_pt=1)) == sorted(base)
    assert sorted(order(rng_seed_data_pt=1)) != sorted(base)


def test_rows_without_labels_do_not_train(make_table: MakeTable, tmp_path: Path) -> None:
    table = make_table(10)
    table.xy_img[[2, 5]] = np.nan
    write_labels(table, tmp_path / "CollectedData.csv")
    labeled = build(tmp_path)
    assert not {2, 5} & set(labeled.split.rows("train")) | set(
        labeled.split.rows("validation")
    ) & {
        2,
        5,
    }
    assert any("2 rows without any label" in warning for warning in labeled.warnings)


def test_labels_outside_the_image_warn_after_decoding(
    make_table: MakeTable, tmp_path: Path
) -> None:
    table = make_table(10)
    table.xy_img[4, 1] = 70, 10
    write_labels(table, tmp_path / "CollectedData.csv")
    (warning,) = build(tmp_path).warnings
    assert f"tail in {table.images[4]}" in warning


def test_missing_images_are_told_before_anything_is_decoded(project: Path) -> None:
    (project / "labeled-data/s1/img001.png").unlink()
    (project / "labeled-data/s2/img002.png").write_bytes(b"broken")
    with pytest.raises(DataError, match="1 of 20 images not found"):
        build(project)


def test_a_context_model_gets_five_frames_and_a_word_on_neighbours(project: Path) -> None:
    labeled = build(project, spec=DataSpec(height=32, width=64, context=5))
    batch = next(iter(labeled.train_loader()))
    assert batch.images.shape[1:3] == (1, 5)
    assert any("lack neighbouring frames" in warning for warning in labeled.warnings)


def test_original_dims_are_checked_if_given(project: Path) -> None:
    build(project, data={"image_orig_dims": OriginalDims(height=40, width=60)})
    with pytest.raises(DataError, match=r"img000\.png \(40 x 60\)"):
        build(project, data={"image_orig_dims": OriginalDims(height=41, width=60)})


def test_a_configured_split_file_and_boxes_are_used(project: Path) -> None:
    labeled = build(project)
    labeled.split.write(project / "my_split.csv")
    rows = "".join(f"{image},5,5,20,30\n" for image in labeled.tables[0].images)
    (project / "boxes.csv").write_text("image,x,y,h,w\n" + rows)
    again = build(
        project,
        data={"bbox_file": "boxes.csv"},
        base_dir=project,
        rng_seed_data_pt=9,
        split_by="file",
        split_file="my_split.csv",
    )
    assert again.split == labeled.split
    batch = next(iter(again.predict_loader()))
    corner = apply_affine(batch.net_to_image, torch.tensor([-0.5, -0.5]).expand(20, 1, 1, 2))
    torch.testing.assert_close(corner[:, 0, 0], torch.tensor([4.5, 4.5]).expand(20, 2))


def test_two_views_share_a_batch(make_table: MakeTable, tmp_path: Path) -> None:
    for view in ("top", "side"):
        images = tuple(f"labeled-data/day{i % 2}_{view}/img{i}.png" for i in range(8))
        write_labels(make_table(images=images), tmp_path / f"CollectedData_{view}.csv")
        write_labels(make_table(images=images), tmp_path / f"CollectedData_{view}_new.csv")
    labeled = build(
        tmp_path,
        data={
            "csv_file": ["CollectedData_top.csv", "CollectedData_side.csv"],
            "view_names": ["top", "side"],
        },
    )
    batch = next(iter(labeled.train_loader()))
    assert batch.images.shape == (7, 2, 1, 3, 32, 64)
    assert [table.source.name for table in labeled.ood_tables["new"] if table.source] == [
        "CollectedData_top_new.csv",
        "CollectedData_side_new.csv",
    ]
    assert set(labeled.fingerprint()) == {
        "CollectedData_top.csv",
        "CollectedData_side.csv",
        "images",
    }


def test_labels_of_new_sessions_are_checked_before_anything_is_decoded(project: Path) -> None:
    lines = (project / "CollectedData.csv").read_text().splitlines()
    new = project / "CollectedData_new.csv"
    new.write_text("\n".join([*lines[:4], "labeled-data/s0/gone.png,1,1,2,2,3,3"]))
    (project / "labeled-data/s2/img002.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"CollectedData_new\.csv: 1 of 2 images not found"):
        build(project)


def test_labels_of_new_sessions_outside_their_image_are_not_scored(project: Path) -> None:
    lines = (project / "CollectedData.csv").read_text().splitlines()
    first, second = (line.split(",") for line in lines[3:5])
    rows = [",".join([first[0], "5000", *first[2:]]), ",".join(second)]
    (project / "CollectedData_new.csv").write_text("\n".join([*lines[:3], *rows]))
    labeled = build(project)
    (table,) = labeled.ood_tables["new"]
    assert table.labelled.tolist() == [[False, True, True], [True, True, True]]
    (warning,) = labeled.warnings
    assert "CollectedData_new.csv: 1 label outside the image" in warning


def test_relative_folders_are_looked_for_beside_the_config_then_here(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = [
        read_tables(DataConfig(data_dir=name), base_dir=base)
        for name, base in ((project.name, project.parent), (".", project / "elsewhere"))
    ]
    assert [len(table) for (table,) in tables] == [20, 20]
    with pytest.raises(DataError, match=r"data\.data_dir is 'nowhere', but there is no"):
        read_tables(DataConfig(data_dir="nowhere"))


def test_a_table_and_a_spec_are_enough_to_evaluate(make_table: MakeTable) -> None:
    table = make_table(5, xy_img=np.full((5, 3, 2), np.nan))
    batches = list(evaluation_loader([table], spec=SPEC, batch_size=2))
    assert [batch.row_ids.tolist() for batch in batches] == [[0, 1], [2, 3, 4]]
    assert torch.isnan(batches[0].keypoints_net).all()


def test_the_example_trains_as_published(example_data: Path) -> None:
    root = example_data / "mirror-mouse-example"
    labeled = build(
        root,
        data={"num_keypoints": 17, "image_orig_dims": OriginalDims(height=406, width=396)},
        spec=DataSpec(),
        train_prob=0.8,
        val_prob=0.1,
    )
    assert labeled.warnings == ()
    assert [len(batch.row_ids) for batch in labeled.train_loader()] == [16, 16, 16, 16, 8]
    assert len(labeled.split.rows("test")) == 9
    batch = next(iter(labeled.val_loader()))
    assert batch.images.shape == (9, 1, 1, 3, 256, 256)
