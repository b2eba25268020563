"""The command `svg-tf serve-client`."""

from svg_tf.cli.main import main

if __name__ == "__main__":
    main("serve-client")
