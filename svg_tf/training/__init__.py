"""Training: the loop, checkpoints, callbacks and schedules of a run."""
