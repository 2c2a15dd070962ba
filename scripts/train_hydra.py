"""The command ``litpose train`` under the name it had: python scripts/train_hydra.py OVERRIDES."""

import sys

from lightning_pose.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
