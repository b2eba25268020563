"""The command `svg-tf export-playground`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("export-playground")
