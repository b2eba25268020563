"""The command `svg-tf export-saved-model`."""

from svg_tf.cli.export_saved_model import main

if __name__ == "__main__":
    main()
