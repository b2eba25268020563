"""Does the learned prior predict when a digit of Stochastic Moving MNIST turns? Figures 5 and 6 of the paper."""

from svg_tf.config import Config, ConfigError


def check(config: Config, n_frames: int) -> None:
    """Check that the digits of a run turn at random and that its prior is learned. This does not import TensorFlow.

    Raises:
        ConfigError: they do not, it is not, or clips of n_frames frames are too short.
    """
    for name, value in {"dataset": "smmnist", "motion": "stochastic", "prior": "learned"}.items():
        if getattr(config, name) != value:
            raise ConfigError(
                f"{config.run_dir} has {name}={getattr(config, name)}; the analysis needs a run with {name}={value}"
            )
    if config.n_past < 2:
        raise ConfigError(f"{config.run_dir} has n_past=1; the analysis needs 2 or more, which show a velocity")
    if n_frames <= config.n_past:
        raise ConfigError(f"--n_frames is {n_frames}; it must be greater than n_past={config.n_past}")
