"""Losses: each one a pure function, a thin class around it, and a dataclass of its settings.

A new loss is one new file here that registers itself in ``LOSSES``; see docs/add_a_loss.md.
"""
