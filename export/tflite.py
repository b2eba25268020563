"""The command `svg-tf export-tflite`."""

from svg_tf.cli.export_tflite import main

if __name__ == "__main__":
    main()
