"""The report of an evaluation: one HTML page without external files."""

from svg_tf.report.page import write_report

__all__ = ["write_report"]
