"""Runs a program that is not here but in --program: python bin/run_program.py --program=FOLDER check time [--help]

A program's folder has its own copy of this, which needs Python, NumPy and JAX alone.
"""

from svg_tf.program.runner import command

if __name__ == "__main__":
    command.main()
