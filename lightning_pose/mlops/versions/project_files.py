"""The files of a new project, made from those of the checkout: one dvc.yaml serves both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

OWN_CONFIG = "litpose.yaml"  # that `litpose train` takes by itself
_LABELS = "${data_dir}/CollectedData.csv"
_IMAGES = "labeled-data"
_DRAWING = re.compile(r"^  #[^\n]*\n  toy:\n.*?\n\n", re.M | re.S)
_OF_CHECKOUT = re.compile(r"^ +- (?:lightning_pose|conf)/[^\n:]*\n", re.M)


@dataclass(frozen=True, kw_only=True)
class ProjectData:
    """What the data folder of a project holds.

    Attributes:
        labels: names of the label files trained on, one a view.
        new_labels: names of files of further sessions beside them.
        images: names of the folders that image paths start with.
        views: names of the views, none for a single one.
        singleview_pca: enough poses are labelled whole for a loss on poses.
    """

    labels: tuple[str, ...]
    new_labels: tuple[str, ...]
    images: tuple[str, ...]
    views: tuple[str, ...]
    singleview_pca: bool


def pipeline_of(data: ProjectData, dvc_yaml: str) -> str:
    """Return the dvc.yaml of a project.

    Other than the checkout's it draws no data, and names neither the package's own folders nor
    its conf/, which an installed program has elsewhere.

    Args:
        data: of the project.
        dvc_yaml: the checkout's.
    """
    text = _OF_CHECKOUT.sub("", _DRAWING.sub("", dvc_yaml))
    text = text.replace("--config-path conf --config-name pipeline", "--config-name litpose")
    text = text.replace("conf/pipeline.yaml", OWN_CONFIG)
    text = text.replace("prepare ${data_dir} ", f"prepare ${{data_dir}} --csv {_names(data)} ")
    text = _as_lines(text, _LABELS, [f"${{data_dir}}/{name}" for name in _all_labels(data)])
    text = text.replace(
        f"--csv {_LABELS}", f"--csv {' '.join(f'${{data_dir}}/{name}' for name in data.labels)}"
    )
    folder = f"${{data_dir}}/{_IMAGES}"
    return _as_lines(text, folder, [f"${{data_dir}}/{name}" for name in data.images])


def settings_of(data: ProjectData) -> str:
    """Return the params.yaml of a project."""
    losses = "temporal,pca_singleview" if data.singleview_pca else "temporal"
    return f"""\
# What `dvc repro` does; how it trains stands in {OWN_CONFIG}.
data_dir: data
litpose: litpose     # how the program is started

# What is trained: overrides, and a folder of the data that others do not learn from.
models:
  supervised:
    overrides: losses=default
    learns_from: {data.images[0]}
  semi_supervised:
    overrides: model.losses_to_use=[{losses}] losses=moderate
    learns_from: videos
"""


def config_of(data: ProjectData) -> str:
    """Return the litpose.yaml of a project."""
    csv = data.labels[0] if len(data.labels) == 1 else f"[{', '.join(data.labels)}]"
    views = f"\n  view_names: [{', '.join(data.views)}]" if data.views else ""
    return f"""\
# The configuration of this project: `litpose train` takes it by itself in this folder. What is not
# here has its default; `litpose config template` prints every key with its meaning.
data:
  data_dir: data
  csv_file: {csv}{views}
  image_resize_dims:     # what the network sees; multiples of 32
    height: 256
    width: 256

training:
  train_prob: 0.8        # of the frames; the rest is for the test
  val_prob: 0.1
  max_epochs: 300        # 60 for a first look
"""


def ignored_of(data: ProjectData) -> str:
    """Return the .gitignore of a project: what DVC keeps, and what a run leaves."""
    kept = [*_all_labels(data), *data.images, "videos"]
    folders = ("runs", "predictions", "evaluations", "outputs", "multirun", "mlruns", "review")
    lines = [*(f"/data/{name}" for name in kept), *(f"/{name}/" for name in folders)]
    return "\n".join([*lines, "/report.html", "/mlflow.db*", "/.mlflow.db*", "/optuna.db*"]) + "\n"


def readme_of(name: str, data: ProjectData) -> str:
    """Return the README.md of a project."""
    kept = " ".join(f"data/{one}" for one in (*_all_labels(data), *data.images, "videos"))
    return f"""\
# {name}

A project of litpose. Labels, images and videos lie in `data/`; `{OWN_CONFIG}` says how a
tracker is trained, `params.yaml` and `dvc.yaml` what `dvc repro` makes of it all.

    dvc add {kept}
    git add .
    git commit -m "Begin"

    litpose train                       one training, into outputs/
    dvc repro                           all of dvc.yaml, into runs/, results/ and report.html
    git add . && git commit -m "..."    keeps dvc.lock and results/: what was made from what

After a change of the labels: `dvc add data/{data.labels[0]}`, `dvc repro`, commit.
A remote, for others and for a backup: `dvc remote add --default store FOLDER_OR_s3://...`,
`dvc push`; elsewhere `git clone`, `dvc pull`.
"""


def _all_labels(data: ProjectData) -> Sequence[str]:
    return (*data.labels, *data.new_labels)


def _names(data: ProjectData) -> str:
    return " ".join(_all_labels(data))


def _as_lines(text: str, dependency: str, ones: Sequence[str]) -> str:
    """Return the text with a line of a list of dependencies repeated for each of some others."""
    line = re.compile(rf"^( +- ){re.escape(dependency)}\n", re.M)
    return line.sub(lambda found: "".join(f"{found[1]}{one}\n" for one in ones), text)
