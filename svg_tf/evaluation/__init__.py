"""Evaluation: many futures of every test clip, scored, beside predictors that learn nothing and published numbers."""
