"""The command `svg-tf prepare-data`."""

from svg_tf.cli.prepare_data import main

if __name__ == "__main__":
    main()
