"""Reads checkpoints of the original PyTorch code without PyTorch; `checkpoint.read_checkpoint` is the way in."""
