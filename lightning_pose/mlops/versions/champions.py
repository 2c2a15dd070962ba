"""The champion as a version of DVC's: a folder that predicts, replaced at each promotion."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lightning_pose.contracts.errors import DataError, LitposeError
from lightning_pose.mlops.registry import RegisteredVersion, local_model
from lightning_pose.mlops.versions.archive import Archive, run_in
from lightning_pose.mlops.versions.dvc_files import DvcFiles, dvc_root
from lightning_pose.mlops.versions.dvc_program import dvc

FOLDER = "champions"
TIMEOUT_S = 600.0


def track_champion(
    champion: RegisteredVersion, *, folder: Path, tracking_uri: str | None = None
) -> str:
    """Put a champion into the DVC project that a folder lies in; return what was done, in words.

    Its files are copied to ``champions/NAME`` and added there, for run directories are mostly
    kept out of git, and DVC's notes with them. Where DVC tracks the checkpoint already, as the
    output of a stage say, nothing is copied. Empty = there is no DVC project. Whatever fails is
    told in the sentence: the promotion stands.

    Args:
        champion: the version.
        folder: in the project.
        tracking_uri: of the registry.
    """
    root = dvc_root(folder.absolute())
    if root is None:
        return ""
    try:
        return _track(champion, root, tracking_uri)
    except (LitposeError, OSError) as error:
        return f"The champion was promoted, but is not tracked by DVC: {_first_line(str(error))}"


def _track(champion: RegisteredVersion, root: Path, tracking_uri: str | None) -> str:
    source = local_model(champion.uri, tracking_uri=tracking_uri)
    tracked = _tracked_already(source, root)
    if tracked is not None:
        return f"DVC tracks the champion already: {tracked}."
    target = root / FOLDER / champion.name
    note = target.with_name(f"{target.name}.dvc")
    if target.exists() and not note.exists():
        return (
            f"The champion was promoted, but is not tracked by DVC: {target} is there and none of "
            "DVC's. Move it away, and promote again."
        )
    new = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copytree(source, new)
    if target.exists():
        shutil.rmtree(target)
    new.rename(target)
    place = target.relative_to(root)
    try:
        dvc(root, "add", "--quiet", str(place), timeout_s=TIMEOUT_S)
    except DataError as error:
        return (
            f"The champion was promoted, and its files are in {target}, but DVC does not track "
            f"them ({error}). Mend that, then: dvc add {place}"
        )
    return (
        f"The champion's files are in {target}, tracked by DVC. To keep this version: git add "
        f"{place}.dvc {FOLDER}/.gitignore; git commit -m 'Champion {champion.name}/"
        f"{champion.version}'; dvc push"
    )


def _tracked_already(source: Path, root: Path) -> Path | None:
    """Return the checkpoint of the champion's run if DVC has it as it is."""
    fetched = run_in(source)
    run = Archive([root]).run(fetched.record.run_id) if fetched is not None else None
    if fetched is None or run is None or run.folder is None:
        return None
    path = run.folder / str(fetched.record.checkpoint.get("path", ""))
    version = DvcFiles().entries([path]).get(path) if path.is_file() else None
    same = version is not None and version["dvc_md5"] == fetched.record.checkpoint.get("md5")
    return path if same and "dvc_changed" not in (version or {}) else None


def _first_line(text: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in text.strip().splitlines() if line.strip()]
    return lines[0] if lines else "no reason was given"
