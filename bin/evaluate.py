"""The command `svg-tf evaluate`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("evaluate")
