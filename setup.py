"""Put ``conf/``, ``sweeps/`` and ``dvc.yaml`` into the wheel; all else is in pyproject.toml.

They lie at the top of the checkout, where people edit them. A built wheel carries them in
``lightning_pose/_assets/``; an editable install has the checkout itself on the path, so that they
are found beside the package.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithAssets(build_py):
    """Copy packages, then the configuration."""

    def run(self) -> None:
        """Build; an editable build needs no copies."""
        super().run()
        if self.editable_mode:
            return
        for name in ("conf", "sweeps"):
            target = Path(self.build_lib) / "lightning_pose" / "_assets" / name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(name, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        for name in ("dvc.yaml", ".dvcignore"):  # what `litpose init` starts from
            shutil.copy2(name, Path(self.build_lib) / "lightning_pose" / "_assets" / name)


setup(cmdclass={"build_py": BuildWithAssets})
