"""What runs a program on another machine. It needs Python, NumPy and JAX alone: a copy lies beside every program."""
