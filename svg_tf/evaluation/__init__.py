"""Evaluation of a trained model on test clips."""
