"""Metrics of predicted frames and videos."""
