"""Stochastic Video Generation (Denton & Fergus, ICML 2018) in TensorFlow.

Importing this package is cheap: TensorFlow is loaded by the modules that need it.
"""

__version__ = "0.1.0"
