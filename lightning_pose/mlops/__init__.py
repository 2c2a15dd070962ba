"""Around training: what made a run, where it is recorded."""
