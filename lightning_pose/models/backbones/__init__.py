"""Backbones: networks that turn images into feature maps, by name.

A new one is a function (or any callable) here or in a plug-in that registers itself in
``BACKBONES``; see docs/add_a_backbone.md.
"""

from lightning_pose.models.backbones.build import Backbone, build_backbone

__all__ = ["Backbone", "build_backbone"]
