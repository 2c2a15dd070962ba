"""Animal pose from few labels and much video, with every training a tracked experiment.

Importing this package is cheap: rooms that need torch are imported when they are used.
"""

__version__ = "3.0.0"
