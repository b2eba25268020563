"""The command `svg-tf generate`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("generate")
