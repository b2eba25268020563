"""Stochastic Video Generation: the model that joins the networks, its objective and its training step."""

from typing import NamedTuple

import keras
import tensorflow as tf

from svg_tf import losses, noise, registry
from svg_tf.config import Config
from svg_tf.losses import Losses
from svg_tf.models import replicas
from svg_tf.models.lstm import FramePredictor, GaussianLSTM
from svg_tf.training import schedules

Gaussian = tuple[tf.Tensor, tf.Tensor]  # mean and logvar, float32 [T, B, Z] each

_POLICIES = {"off": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


class Outputs(NamedTuple):
    """What the model says of a clip's frames 1 to T-1, time first."""

    predictions: tf.Tensor  # mean of p(x[t] | x[0..t-1], z[0..t]), float32 [T-1, B, H, W, C] in [0, 1]
    h: tf.Tensor  # codes of all frames, float32 [T, B, G]
    g: tf.Tensor  # the frame predictor's outputs, float32 [T-1, B, G]
    z: tf.Tensor | None  # float32 [T-1, B, Z]; None without a latent
    posterior: Gaussian | None  # q(z[t] | x[0..t]); None without a latent
    prior: Gaussian | None  # p(z[t] | x[0..t-1]); None where it is N(0, I) or there is no latent


class SVG(keras.Model):
    """SVG-LP (config.prior learned), SVG-FP (fixed) and the deterministic baseline (none).

    The networks' names are the paper's: encoder, frame_predictor, decoder, posterior and prior. Weights are drawn
    from config.seed when the model is made.
    """

    def __init__(self, config: Config, **kwargs):
        # The networks cast what they take; frames and noise come to them as they are.
        super().__init__(dtype=_POLICIES[config.mixed_precision], autocast=False, name="svg", **kwargs)
        self.config = config
        backbone = registry.load(registry.BACKBONES[config.backbone])
        size, widths = config.image_width, (config.g_dim, config.base_width)
        seed = keras.random.SeedGenerator(config.seed)
        options = {"seed": seed, "dtype": self.dtype_policy, "remat": config.remat}
        self.encoder = backbone.Encoder(size, *widths, name="encoder", **options)
        self.decoder = backbone.Decoder(size, config.channels, *widths, name="decoder", **options)
        self.frame_predictor = FramePredictor(
            config.g_dim, config.rnn_size, config.predictor_layers, seed=seed, name="frame_predictor"
        )
        self.posterior = self.prior = None
        if config.prior != "none":
            self.posterior = GaussianLSTM(
                config.z_dim, config.rnn_size, config.posterior_layers, seed=seed, name="posterior"
            )
        if config.prior == "learned":
            self.prior = GaussianLSTM(config.z_dim, config.rnn_size, config.prior_layers, seed=seed, name="prior")
        self.updates = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="updates")
        self._trackers = {name: keras.metrics.Mean(name=name) for name in Losses._fields}
        self(tf.zeros([1, config.n_past + 1, size, size, config.channels]))  # makes all weights, always in this order

    @property
    def has_latent(self) -> bool:
        """Whether there is a z: not in the deterministic baseline."""
        return self.posterior is not None

    @property
    def skip_frames(self) -> int | None:
        """Leading frames whose skips are used; the last of them serves all later steps. None: every frame's."""
        return {"last": self.config.n_past, "original": self.config.n_past - 1, "every": None}[self.config.skip_frame]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Means over an epoch of the loss and its parts."""
        return list(self._trackers.values())

    def encode(
        self, frames: tf.Tensor, training: bool = False, skip_frames: int | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """x[t] -> h[t], skips[t]: float32 [T, B, H, W, C] -> h float32 [T, B, G] and skips [K, B, H', W', C'].

        K is skip_frames: only the first K frames' skips; None: those of all T.
        """
        batch = tf.shape(frames)[1]
        rows = None if skip_frames is None else skip_frames * batch
        h, skips = self.encoder(tf.reshape(frames, [-1, *frames.shape[2:]]), training=training, skip_rows=rows)

        def unfold(x: tf.Tensor, steps: int | None) -> tf.Tensor:
            unfolded = tf.reshape(x, [-1 if steps is None else steps, batch, *x.shape[1:]])
            unfolded.set_shape([steps, frames.shape[1], *x.shape[1:]])
            return unfolded

        steps = frames.shape[0]
        return tf.cast(unfold(h, steps), tf.float32), [unfold(skip, skip_frames or steps) for skip in skips]

    def call(self, frames: tf.Tensor, noise: tf.Tensor | None = None, training: bool = False) -> Outputs:
        """The teacher-forced pass over whole clips.

        Args:
            frames: uint8, or float32 in [0, 1], [B, T, H, W, C] with T static and at least 2.
            noise: float32 [T-1, B, Z], N(0, 1) for samples of the posterior; None takes its mean.
            training: whether batch normalisation uses the batch's statistics, and updates the stored ones.
        """
        frames = time_major(frames)  # [T, B, H, W, C]
        # Step t takes the skips of frame t-1, as far as skips of their own go.
        h, skips = self.encode(frames, training, min(frames.shape[0] - 1, self.skip_frames or frames.shape[0]))
        inputs, z, posterior, prior = h[:-1], None, None, None  # [T-1, B, G]
        batch = tf.shape(h)[1]
        if self.posterior is not None:
            posterior, _ = self.posterior(h[1:], self.posterior.initial_state(batch))
            z = posterior[0] if noise is None else posterior[0] + losses.stddev(posterior[1]) * noise
            inputs = tf.concat([inputs, z], axis=-1)  # [T-1, B, G + Z]
        if self.prior is not None:
            prior, _ = self.prior(h[:-1], self.prior.initial_state(batch))
        g, _ = self.frame_predictor(inputs, self.frame_predictor.initial_state(batch))
        predictions = self.decoder(g, self.decoder.project_skips(skips), training=training)
        return Outputs(predictions, h, g, z, posterior, prior)

    def objective(self, frames: tf.Tensor, noise: tf.Tensor | None, beta: tf.Tensor, training: bool) -> Losses:
        """Equation 6 for a batch of clips: frames uint8 or float32 [B, T, H, W, C], noise float32 [T-1, B, Z]."""
        outputs = self(frames, noise=noise, training=training)
        reconstruction = losses.reconstruction_loss(time_major(frames)[1:], outputs.predictions)
        kl = tf.zeros([]) if outputs.posterior is None else losses.kl_divergence(outputs.posterior, outputs.prior)
        return Losses(reconstruction + beta * kl, reconstruction, kl)

    def train_step(self, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update by a batch uint8 or float32 [B, T, H, W, C]; the noise depends on config.seed and `updates`.

        A replica of several is given its share of the batch, and makes the update by the whole of it.
        """
        result, gradients = self._gradients(frames)
        gradients = replicas.average(gradients)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.updates.assign_add(1)
        return self._track(result)

    def _gradients(self, frames: tf.Tensor) -> tuple[Losses, list[tf.Tensor]]:
        """The objective's parts and the gradients of the scaled loss, as means over config.accumulation parts.

        Each part is a batch of its own to batch normalisation; for everything else the means are those of the batch.
        """
        z_noise = self._step_noise(frames, noise.TRAINING_STREAM, self.updates.value)
        parts = self.config.accumulation
        if parts == 1:
            return self._part_gradients(frames, z_noise)
        batch = (frames.shape[0] or tf.shape(frames)[0]) // parts
        frames = tf.reshape(frames, [parts, batch, *frames.shape[1:]])
        if z_noise is not None:
            z_noise = tf.reshape(z_noise, [z_noise.shape[0], parts, batch, z_noise.shape[-1]])

        def body(part, sums):
            own_noise = None if z_noise is None else z_noise[:, part]
            return part + 1, tf.nest.map_structure(tf.add, sums, self._part_gradients(frames[part], own_noise))

        zeros = Losses(*[tf.zeros([])] * 3), [tf.zeros_like(weight.value) for weight in self.trainable_variables]
        if replicas.count() == 1:
            _, sums = tf.while_loop(lambda part, _: part < parts, body, (0, zeros), parallel_iterations=1)
        else:  # whose exchanges cannot be inside a loop of the graph
            sums = zeros
            for part in range(parts):
                with tf.control_dependencies(tf.nest.flatten(sums)):
                    _, sums = body(part, sums)
        return tf.nest.map_structure(lambda total: total / parts, sums)

    def _part_gradients(self, frames: tf.Tensor, z_noise: tf.Tensor | None) -> tuple[Losses, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            result = self.objective(frames, z_noise, schedules.beta_at(self.config, self.updates.value), training=True)
            scaled = self.optimizer.scale_loss(result.loss)
        return result, tape.gradient(scaled, self.trainable_variables)

    def test_step(self, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        """The objective at full beta, by stored statistics and the same noise whenever it is asked."""
        posterior_noise = self._step_noise(frames, noise.VALIDATION_STREAM, tf.zeros([], tf.int64))
        return self._track(self.objective(frames, posterior_noise, tf.constant(self.config.beta), training=False))

    def _step_noise(self, frames: tf.Tensor, stream: int, step: tf.Tensor) -> tf.Tensor | None:
        if not self.has_latent:
            return None
        batch = tf.shape(frames)[0] if frames.shape[0] is None else frames.shape[0]
        shape = [frames.shape[1] - 1, batch * replicas.count(), self.config.z_dim]
        z_noise = noise.step_noise(shape, self.config.seed, stream, step)
        return replicas.own_share(z_noise, self.config.accumulation)

    def _track(self, result: Losses) -> dict[str, tf.Tensor]:
        for tracker, value in zip(self.metrics, replicas.average(list(result)), strict=True):
            # What a metric holds is the sum over the replicas.
            tracker.update_state(value, sample_weight=1.0 / replicas.count())
        return {metric.name: metric.result() for metric in self.metrics}


def time_major(frames: tf.Tensor) -> tf.Tensor:
    """uint8, or float32 in [0, 1], [B, T, H, W, C] -> float32 [T, B, H, W, C] in [0, 1]."""
    frames = tf.transpose(frames, [1, 0, 2, 3, 4])
    return tf.cast(frames, tf.float32) / 255.0 if frames.dtype == tf.uint8 else frames
