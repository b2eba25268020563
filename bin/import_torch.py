"""The command `svg-tf import-torch`."""

from svg_tf.cli.import_torch import main

if __name__ == "__main__":
    main()
