"""Measurements of speed: `python -m benchmarks SUITE`. They are not part of the wheel."""
