"""The sections ``eval`` and ``tracking``: what happens after training, where it is recorded."""

from __future__ import annotations

from dataclasses import dataclass, field

from lightning_pose.contracts.settings import setting


@dataclass(kw_only=True)
class FiftyOneConfig:
    """The review database."""

    dataset_name: str | None = setting(
        None, "Name of the review data set.", default_text="name of the data folder"
    )
    model_display_names: list[str] | None = setting(
        None, "Names shown for the models, one per entry of hydra_paths.", default_text="run names"
    )
    launch_app_from_script: bool = setting(False, "Open the review app when the data set is made.")
    remote: bool = setting(True, "Serve the app without opening a browser here.")
    address: str = setting("127.0.0.1", "Address the app listens on.")
    port: int = setting(5151, "Port the app listens on.", minimum=1, maximum=65535)


@dataclass(kw_only=True)
class EvalConfig:
    """Predictions made after training, and the review commands."""

    predict_vids_after_training: bool = setting(
        True, "Predict the videos of test_videos_directory when training is done."
    )
    save_vids_after_training: bool = setting(
        False, "Also write each of those videos with the keypoints drawn in."
    )
    test_videos_directory: str | None = setting(
        None,
        "Folder of the videos to predict.",
        path="input",
        default_text="data.video_dir",
    )
    saved_vid_preds_dir: str | None = setting(
        None,
        "Folder for the predictions of the review commands.",
        path="output",
        default_text="video_preds/ in the run directory",
    )
    confidence_thresh_for_vid: float = setting(
        0.9, "Keypoints below this confidence are not drawn.", minimum=0, maximum=1
    )
    colormap: str = setting("cool", "Matplotlib colour map of the drawn keypoints.")
    hydra_paths: list[str] = setting(
        doc="Run directories for the review commands; DATE/TIME lies under outputs/.",
        factory=list,
    )
    fiftyone: FiftyOneConfig = field(default_factory=FiftyOneConfig)


@dataclass(kw_only=True)
class TrackingConfig:
    """Every training is a recorded experiment (MLflow)."""

    enabled: bool = setting(True, "Record the run.")
    uri: str | None = setting(
        None,
        "Store of the records.",
        default_text="$MLFLOW_TRACKING_URI, or sqlite file ./mlflow.db",
    )
    artifact_dir: str | None = setting(
        None, "Folder of the stored files.", path="output", default_text="./mlruns"
    )
    experiment: str | None = setting(
        None, "Experiment the run belongs to.", default_text="name of the data folder"
    )
    run_name: str | None = setting(None, "Name of the run.", default_text="model.model_name")
    tags: dict[str, str] = setting(doc="Tags set on the run.", factory=dict)
    log_models: bool = setting(True, "Store the best checkpoint with the run.")
    system_metrics: bool = setting(True, "Record load and memory of processor and GPU.")
    flush_s: float = setting(5.0, "Seconds between two writes to the store.", above=0)
