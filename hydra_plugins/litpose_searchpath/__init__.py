"""Shows Hydra where the configuration of litpose lies (Hydra looks for plug-ins only here)."""

from lightning_pose.config.search_path import LitposeSearchPath

__all__ = ["LitposeSearchPath"]
