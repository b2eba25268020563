"""The command `svg-tf export-saved-model`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("export-saved-model")
