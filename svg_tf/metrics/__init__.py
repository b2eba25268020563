"""Scores of predicted frames against the true ones: one metric a file, called on whole batches."""
