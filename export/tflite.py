"""The command `svg-tf export-tflite`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("export-tflite")
