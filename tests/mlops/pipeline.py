"""A copy of the checkout's pipeline in which a stand-in for ``litpose`` does the work at once.

What DVC runs after a change hangs on dvc.yaml alone, so each command need only leave its outputs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
}
FILES = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "README.md", "dvc.yaml")
STAND_IN = """#!{python}
import sys, time, uuid
from pathlib import Path

words = sys.argv[1:]
def after(option):
    return Path(words[words.index(option) + 1])
def leave(*paths):
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex)

if words[0] == "prepare" and "--draw" in words:
    data = Path(words[1])
    new = [data / "CollectedData.csv", data / "labeled-data/s/i.png", data / "videos/v.mp4"]
    leave(*(path for path in new if not path.exists()))
elif words[0] == "prepare":
    after("--out").parent.mkdir(exist_ok=True)
    after("--out").write_text(str(len((Path(words[1]) / "CollectedData.csv").read_text())))
elif words[0] == "train":
    run = Path(next(w for w in words if w.startswith("hydra.run.dir=")).partition("=")[2])
    assert not run.exists(), "the folder of a run before is still there"
    leave(run / "half")
    time.sleep(float(Path("pause").read_text()) if Path("pause").exists() else 0)
    leave(run / "learning_curves.csv")
elif words[0] == "predict":
    leave(after("--out") / "v.csv")
elif words[0] == "evaluate":
    leave(after("--out") / "predictions.csv", after("--scores"), after("--by-keypoint"))
elif words[0] == "compare":
    leave(*(after("--out") / n for n in ("comparison.json", "keypoints.csv", "overall.json")))
elif words[0] == "report":
    leave(after("--out"))
"""


@dataclass(frozen=True)
class Pipeline:
    """A folder with the checkout's dvc.yaml, under git."""

    root: Path

    def dvc(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run DVC in the folder, whatever comes of it."""
        return subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=self.root,
            env={**os.environ, **IDENTITY, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def repro(self, *words: str) -> set[str]:
        """Run what has changed; return the names of the stages that ran."""
        done = self.dvc("repro", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return set(re.findall(r"^Running stage '(.*)':$", done.stdout, re.M))


def make_pipeline(root: Path, checkout: Path) -> Pipeline:
    """Copy the pipeline with all that its stages depend on into a folder, under git."""
    for name in (*FILES, "params.yaml", "lightning_pose", "conf", "docs"):
        source, target = checkout / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "img"))
        else:
            shutil.copy2(source, target)
    stand_in = root / ".venv" / "bin" / "litpose"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text(STAND_IN.replace("{python}", sys.executable))
    stand_in.chmod(0o755)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return Pipeline(root)
