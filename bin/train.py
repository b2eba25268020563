"""The command `svg-tf train`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("train")
