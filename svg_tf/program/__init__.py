"""The compiled training step as a program of its own, for machines that have JAX and no TensorFlow."""
