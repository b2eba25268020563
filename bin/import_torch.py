"""The command `svg-tf import-torch`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("import-torch")
