"""How good trackers are: evaluated, compared, calibrated; labels and new videos checked."""
