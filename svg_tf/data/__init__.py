"""The data: make_dataset(config, split) in dataset.py, and one file a source."""
