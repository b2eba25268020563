"""Data sets: `make_dataset(config, split)` in dataset.py, and one module per data set."""
