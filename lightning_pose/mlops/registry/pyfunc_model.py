"""What ``mlflow.pyfunc.load_model`` runs: MLflow keeps a copy of this file in each model."""

from __future__ import annotations

from pathlib import Path
from typing import Any  # of load_context alone: MLflow takes hints of predict for a schema

import numpy as np
from jaxtyping import Float, UInt8
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from lightning_pose.contracts.registry import load_plugins
from lightning_pose.contracts.run_record import PLUGIN_FOLDER, RUN_FILE, RunRecord
from lightning_pose.inference.model import Model


class PoseTracker(PythonModel):
    """A trained tracker of one view.

    Frames are predicted as a consecutive piece of video, which matters to models that look at
    neighbours; others see each image alone.
    """

    def load_context(self, context: Any) -> None:
        """Load the weights that the model holds, and the user's modules that it needs."""
        run_dir = Path(context.artifacts["run"])
        plugins = RunRecord.read(run_dir / RUN_FILE).plugin_folders
        load_plugins(plugins, search_dir=run_dir / PLUGIN_FOLDER if plugins else None)
        self._model = Model.load(run_dir)

    def predict(self, context, model_input, params=None) -> Float[np.ndarray, "n k 3"]:  # noqa: ANN001
        """Return x and y in pixels, and the likelihood, of each keypoint of RGB images.

        Args:
            context: not looked at.
            model_input: uint8 images (n, height, width, 3), or a dict with them as ``images``.
            params: not looked at.
        """
        images: UInt8[np.ndarray, "n height width 3"] = np.asarray(
            model_input["images"] if isinstance(model_input, dict) else model_input
        )
        found = self._model.predict_frames(images)
        return np.concatenate([found.xy_img, found.confidence[..., None]], axis=-1).astype(
            np.float64
        )


set_model(PoseTracker())
