"""The command `svg-tf export-torch`."""

from svg_tf.cli.export_torch import main

if __name__ == "__main__":
    main()
