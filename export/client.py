"""The command `svg-tf serve-client`."""

from svg_tf.cli.serve_client import main

if __name__ == "__main__":
    main()
