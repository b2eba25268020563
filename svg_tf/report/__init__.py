"""The report of an evaluation: one page that needs nothing else."""

from svg_tf.report.page import write_report

__all__ = ["write_report"]
