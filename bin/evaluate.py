"""The command `svg-tf evaluate`."""

from svg_tf.cli.evaluate import main

if __name__ == "__main__":
    main()
