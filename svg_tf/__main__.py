"""`python -m svg_tf COMMAND`, the same as `svg-tf COMMAND`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main()
