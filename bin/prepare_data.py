"""The command `svg-tf prepare-data`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("prepare-data")
