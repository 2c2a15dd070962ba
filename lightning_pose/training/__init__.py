"""Training: from a tracker and batches to checkpoints, through Lightning's Trainer."""
