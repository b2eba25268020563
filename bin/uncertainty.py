"""The command `svg-tf uncertainty`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("uncertainty")
