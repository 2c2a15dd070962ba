"""Trackers, their backbones and heads.

A new tracker is one new file here that registers itself in ``TRACKERS``; see docs/add_a_model.md.
"""
