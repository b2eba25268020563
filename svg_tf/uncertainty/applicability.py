"""Which runs can be asked about collisions."""

from svg_tf.config import Config, ConfigError


def check(config: Config, n_frames: int) -> None:
    """Passes runs whose clips turn at random at known walls and whose prior has a spread of its own.

    Raises:
        ConfigError: the run is another, or clips of n_frames frames are too short for it.
    """
    if config.dataset != "smmnist":
        raise ConfigError(
            f"{config.run_dir} is of dataset={config.dataset}, whose moments of chance are not known; "
            "this needs a run of smmnist"
        )
    if config.motion != "stochastic":
        raise ConfigError(
            f"{config.run_dir} has motion={config.motion}, whose digits do not take a random velocity at a wall; this "
            "needs a run of motion=stochastic"
        )
    if config.prior != "learned":
        spread = {"fixed": "the spread of N(0, I) is the same in every frame", "none": "there is no latent"}
        raise ConfigError(
            f"{config.run_dir} has prior={config.prior}: {spread[config.prior]}; this needs a run of prior=learned"
        )
    if config.n_past < 2:
        raise ConfigError(
            f"{config.run_dir} has n_past=1, but a velocity is seen in no fewer than 2 frames; this needs a run of "
            "n_past of at least 2"
        )
    if n_frames <= config.n_past:
        raise ConfigError(
            f"n_frames is {n_frames}, but only frames after the context of {config.n_past} are scored: ask for more"
        )
