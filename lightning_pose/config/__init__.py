"""The configuration: one typed tree, checked whole before any work, with words for every mistake.

``schema`` holds plain dataclasses that every room may take; the rest of this room fills them from
Hydra groups, single files and overrides, and is for the command line.
"""
