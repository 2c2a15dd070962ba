"""The sections ``data`` and ``dali``: what is trained on, and how much of it at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightning_pose.contracts.settings import setting


@dataclass(kw_only=True)
class ImageDims:
    """Size of the network's input."""

    height: int = setting(
        256, "Network input height in pixels; a multiple of the backbone's stride.", minimum=32
    )
    width: int = setting(
        256, "Network input width in pixels; a multiple of the backbone's stride.", minimum=32
    )


@dataclass(kw_only=True)
class OriginalDims:
    """Size of the labelled images, if it is to be checked."""

    height: int | None = setting(
        None,
        "Height of every labelled image in pixels. Sizes are read from the files; if this is "
        "given, a file of another size is an error.",
        minimum=1,
    )
    width: int | None = setting(
        None, "Width of every labelled image in pixels, as for the height.", minimum=1
    )


@dataclass(kw_only=True)
class DataConfig:
    """Where the labels, images and videos are, and what the keypoints are called."""

    data_dir: str | None = setting(
        None,
        "Folder of the data set: label csv, labeled-data/, videos/. A relative path is looked for "
        "in the folder of the configuration file, then in the current folder.",
        path="input",
        default_text="must be set",
    )
    video_dir: str | None = setting(
        None,
        "Folder of the videos: unlabelled training video, and videos predicted after training.",
        path="input",
        default_text="data_dir/videos, if there is such a folder",
    )
    csv_file: str | list[str] = setting(
        "CollectedData.csv", "Label csv in data_dir; a list means one file per camera view."
    )
    view_names: list[str] = setting(
        doc="Names of the views of a multi-camera data set, in the order of csv_file.",
        factory=list,
    )
    image_resize_dims: ImageDims = field(default_factory=ImageDims)
    image_orig_dims: OriginalDims = field(default_factory=OriginalDims)
    num_keypoints: int | None = setting(
        None,
        "Number of keypoints: over all mirrored views together, or per camera view.",
        minimum=1,
        default_text="as in the label csv",
    )
    keypoint_names: list[str] | None = setting(
        None,
        "Keypoint names in the order of the label csv, which they must match.",
        default_text="as in the label csv",
    )
    downsample_factor: int = setting(
        2,
        "Heatmaps are 2^downsample_factor times smaller than the network input.",
        choices=(1, 2, 3),
    )
    columns_for_singleview_pca: list[int] | None = setting(
        None,
        "Indices of the keypoints whose joint shape the single-view PCA learns. null: the loss "
        "takes all keypoints and the metric is not computed.",
        minimum=0,
    )
    mirrored_column_matches: list[list[int]] | None = setting(
        None,
        "One list of keypoint indices per mirrored view, the same body parts in the same order. "
        "With separate cameras null means every keypoint; lists then count within each view.",
        minimum=0,
    )
    bbox_file: str | list[str] | None = setting(
        None,
        "Bounding boxes of labelled frames: a csv with columns x, y, h, w, keyed by image path; "
        "or a list of them. Those of a video lie beside it, in <video>_bbox.csv.",
        path="input",
    )
    camera_params_file: str | None = setting(
        None,
        "Accepted for old configurations and must be null: nothing reads a camera calibration.",
        path="input",
    )
    generator: str | None = setting(
        None,
        "Makes the data set when data_dir is null or missing; `toy` draws a mouse on a wheel, "
        "`toy_cameras` the same as two cameras. data=toy and data=toy_cameras set it.",
    )

    @property
    def csv_files(self) -> list[str]:
        """Return the label files, one per view."""
        return [self.csv_file] if isinstance(self.csv_file, str) else list(self.csv_file)

    @property
    def bbox_files(self) -> list[str]:
        """Return the files of bounding boxes, none or several."""
        files = self.bbox_file or []
        return [files] if isinstance(files, str) else list(files)


@dataclass(kw_only=True)
class GeneralDali:
    """What holds for every reader of unlabelled video."""

    seed: int = setting(
        123456, "Seed of the order and augmentation of unlabelled video.", minimum=0
    )
    engine: str = setting(
        "auto",
        "What resizes and changes unlabelled frames: a DALI graph or torch, which do the same "
        "work; auto takes torch, the faster one.",
        choices=("auto", "dali", "torch"),
    )


@dataclass(kw_only=True)
class BaseTrainBatch:
    """Unlabelled frames of one training batch."""

    sequence_length: int = setting(
        32, "Consecutive unlabelled frames in a training batch of a single-frame model.", minimum=2
    )


@dataclass(kw_only=True)
class BasePredictBatch:
    """Frames of one prediction batch."""

    sequence_length: int = setting(
        96, "Frames in a prediction batch of a single-frame model, at most.", minimum=1
    )


@dataclass(kw_only=True)
class BaseDali:
    """Video batches of models that see one frame at a time."""

    train: BaseTrainBatch = field(default_factory=BaseTrainBatch)
    predict: BasePredictBatch = field(default_factory=BasePredictBatch)


@dataclass(kw_only=True)
class ContextTrainBatch:
    """Unlabelled frames of one training batch, context not counted."""

    batch_size: int = setting(
        16,
        "Consecutive unlabelled frames in a training batch of a context model; each brings its "
        "neighbours.",
        minimum=5,
    )


@dataclass(kw_only=True)
class ContextPredictBatch:
    """Frames of one prediction batch, context not counted."""

    sequence_length: int = setting(
        96, "Frames in a prediction batch of a context model, at most.", minimum=5
    )


@dataclass(kw_only=True)
class ContextDali:
    """Video batches of models that see a window of frames."""

    train: ContextTrainBatch = field(default_factory=ContextTrainBatch)
    predict: ContextPredictBatch = field(default_factory=ContextPredictBatch)


@dataclass(kw_only=True)
class DaliConfig:
    """How many frames of video are read at a time."""

    general: GeneralDali = field(default_factory=GeneralDali)
    base: BaseDali = field(default_factory=BaseDali)
    context: ContextDali = field(default_factory=ContextDali)
