"""Stochastic Video Generation (Denton & Fergus, ICML 2018) as a Keras model."""

import math
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from svg_tf import losses, noise, registry, rollout
from svg_tf.losses import Losses
from svg_tf.models import replicas
from svg_tf.models.lstm import FramePredictor, Gaussian, GaussianLSTM
from svg_tf.rollout import time_major

PRIORS = ("learned", "fixed", "none")
SKIP_FRAMES = ("last", "original", "every")
RECURRENCES = ("vector", "conv")


class Schedule(Protocol):
    """A function of the training step, float32 scalar, with its final value; see `svg_tf.Schedule`."""

    final: float

    def __call__(self, step: tf.Tensor) -> tf.Tensor: ...


class Outputs(NamedTuple):
    """Results of the teacher-forced forward pass for frames 1 to T-1 of each clip."""

    predictions: tf.Tensor  # mean of p(x[t] | x[0..t-1], z[0..t]), float32 [B, T-1, H, W, C] in [0, 1]
    h: tf.Tensor  # codes of all frames, float32 [B, T, G] (maps [B, T, h, w, G] with a convolutional recurrence)
    g: tf.Tensor  # outputs of the frame predictor, float32 [B, T-1, G]
    z: tf.Tensor | None  # float32 [B, T-1, Z]; None without a latent
    posterior: Gaussian | None  # q(z[t] | x[0..t]), float32 [B, T-1, Z]; None without a latent
    prior: Gaussian | None  # p(z[t] | x[0..t-1]); None unless the prior is learned


@keras.saving.register_keras_serializable(package="svg_tf")
class SVG(keras.Model):
    """SVG-LP (prior="learned"), SVG-FP (prior="fixed") or the deterministic baseline (prior="none").

    The networks are the paper's: `encoder`, `frame_predictor`, `decoder`, `posterior` and `prior`; the last two are
    None where the model has no such network. The constructor creates and initializes all weights.

    ```python
    model = svg_tf.SVG(image_size=64, channels=1, prior="learned", n_past=5)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), beta=1e-4)
    model.fit(clips, epochs=10)  # uint8, or float32 in [0, 1], [B, T, H, W, C]
    futures = model.generate(clips[:4, :5], n_future=10, n_samples=20)  # [4, 20, 10, H, W, C]
    ```
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 1,
        backbone: str = "dcgan",
        base_width: int = 64,
        g_dim: int = 128,
        z_dim: int = 10,
        rnn_size: int = 256,
        predictor_layers: int = 2,
        posterior_layers: int = 1,
        prior_layers: int = 1,
        prior: str = "learned",
        skip_frame: str = "last",
        n_past: int = 5,
        recurrence: str = "vector",
        conv_filters: int = 32,
        remat: bool = False,
        seed: int = 0,
        name: str = "svg",
        **kwargs,
    ):
        """Create the model. The defaults are the paper's Stochastic Moving MNIST model.

        Args:
            image_size: height and width of a frame in pixels, a power of two, at least 32.
            channels: channels of a frame, 1 (gray) or 3 (RGB).
            backbone: encoder and decoder networks, "dcgan" or "vgg", or a name added to `svg_tf.registry.BACKBONES`.
            base_width: channels of the first convolution; later stages have up to 8 times as many.
            g_dim: size G of the code h of a frame and of the frame predictor's output g.
            z_dim: size Z of the latent variable z of one frame.
            rnn_size: units of each LSTM layer.
            predictor_layers: LSTM layers of the frame predictor.
            posterior_layers: LSTM layers of the posterior.
            prior_layers: LSTM layers of the learned prior.
            prior: source of z at future frames: "learned" (SVG-LP), "fixed" (SVG-FP, N(0, I)) or "none" (no latent
                variable).
            skip_frame: frame whose encoder features the decoder uses for the future: "last" (the last context frame, as
                in the paper), "original" (the frame before it, as in the authors' code) or "every" (each step's input).
            n_past: context frames P, at least 1; "original" needs at least 2.
            recurrence: "vector" (as published: codes are vectors) or "conv" (codes are 8x8 maps and all LSTM layers
                convolutional; g_dim and rnn_size have no effect).
            conv_filters: channels of each convolutional LSTM layer, with recurrence="conv".
            remat: recompute each convolution block in the backward pass instead of storing its activations.
            seed: of the initial weights, and of the noise in training and validation; 0 to 2**31 - 1.
            name: name of the model.
            **kwargs: arguments of `keras.Model`, such as dtype="mixed_bfloat16". Losses, LSTMs and pixels are float32
                in every policy.

        Raises:
            ValueError: an argument is out of its range.
        """
        arguments = {
            key: value for key, value in locals().items() if key not in ("self", "name", "kwargs", "__class__")
        }
        _check(arguments)
        # The networks cast their inputs; frames and noise reach them unchanged.
        super().__init__(name=name, **{"autocast": False, **kwargs})
        self._arguments = arguments
        for argument, value in arguments.items():
            setattr(self, "prior_type" if argument == "prior" else argument, value)
        networks = registry.load(registry.BACKBONES[backbone])
        seeds = keras.random.SeedGenerator(seed)
        maps = recurrence == "conv"
        options = {"seed": seeds, "dtype": self.dtype_policy, "remat": remat}
        if maps:
            options["map_code"] = True
        self.encoder = networks.Encoder(image_size, g_dim, base_width, name="encoder", **options)
        self.decoder = networks.Decoder(image_size, channels, base_width, name="decoder", **options)
        units, code_size = (conv_filters, self.encoder.code_width) if maps else (rnn_size, g_dim)
        options = {"seed": seeds, "maps": maps}
        self.frame_predictor = FramePredictor(
            code_size, z_dim if prior != "none" else 0, units, predictor_layers, name="frame_predictor", **options
        )
        self.posterior = self.prior = None
        if prior != "none":
            self.posterior = GaussianLSTM(z_dim, units, posterior_layers, name="posterior", **options)
        if prior == "learned":
            self.prior = GaussianLSTM(z_dim, units, prior_layers, name="prior", **options)
        self.step = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False, name="step")
        self._loss_parts = [keras.metrics.Mean(name=part) for part in ("reconstruction_loss", "kl")]
        self(tf.zeros([1, n_past + 1, image_size, image_size, channels]))  # creates all weights, always in this order

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._arguments}

    @classmethod
    def from_preset(cls, name_or_path: str) -> "SVG":
        """Return a trained model.

        Args:
            name_or_path: a name in `svg_tf.list_presets()`, or the folder of a run.

        Raises:
            ValueError: there is no such preset or run.
        """
        from svg_tf import presets  # reads runs, which this module knows nothing of

        return presets.load(name_or_path)

    @property
    def has_latent(self) -> bool:
        """Whether the model has a latent variable z."""
        return self.posterior is not None

    @property
    def own_skips(self) -> int | None:
        """Leading frames that use their own skips; later frames share those of the last. None: every frame's own."""
        return {"last": self.n_past, "original": self.n_past - 1, "every": None}[self.skip_frame]

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        beta: float | Schedule = 1e-4,
        scheduled_sampling: float | Schedule = 0.0,
        jit_compile: bool | str = "auto",
        **kwargs,
    ) -> None:
        """Configure the model for `fit` and `evaluate`.

        Args:
            optimizer: a Keras optimizer or its name.
            beta: weight of the KL divergence in the objective (equation 6), at least 0; or a schedule, a callable of
                the training step with an attribute `final`, the weight that `evaluate` uses.
            scheduled_sampling: share of the input frames from frame n_past on that training replaces with the model's
                own predictions, 0 to 1; or a schedule. A rollout without gradients makes the predictions, then one
                pass over all frames is trained; see `svg_tf.rollout.scheduled_inputs`. 0: teacher forcing.
            jit_compile: compile the training step with XLA; "auto": on GPUs only.
            **kwargs: arguments of `keras.Model.compile`, such as metrics, which compare frames 1 to T-1 with their
                predictions, float32 [B, T-1, H, W, C].

        Raises:
            ValueError: a loss was passed, or beta or scheduled_sampling is neither in its range nor a schedule.
        """
        if kwargs.pop("loss", None) is not None:
            raise ValueError("SVG minimizes its own objective; call compile() without a loss.")
        for argument, value, most in (("beta", beta, math.inf), ("scheduled_sampling", scheduled_sampling, 1.0)):
            if not hasattr(value, "final") and (callable(value) or not 0 <= value <= most):
                raise ValueError(
                    f"{argument} is {value!r}; it must be a number from 0 to {most} or a schedule such as "
                    "svg_tf.Schedule."
                )
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        self.beta, self.scheduled_sampling = beta, scheduled_sampling

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        own = {"beta": self.beta, "scheduled_sampling": self.scheduled_sampling} if config else {}
        return config | {name: keras.saving.serialize_keras_object(value) for name, value in own.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def encode(
        self, frames: tf.Tensor, training: bool = False, own_skips: int | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Encode time-major frames: x[t] -> h[t], skips[t].

        Args:
            frames: float32 [T, B, H, W, C] in [0, 1].
            training: whether batch normalization uses the statistics of the batch.
            own_skips: return the skips of the first K frames only; None: of all T.

        Returns:
            h, float32 [T, B, G], and the skips, [K, B, H', W', C'] each.
        """
        batch = tf.shape(frames)[1]
        rows = None if own_skips is None else own_skips * batch
        h, skips = self.encoder(tf.reshape(frames, [-1, *frames.shape[2:]]), training=training, skip_rows=rows)

        def unflatten(x: tf.Tensor, steps: int | None) -> tf.Tensor:
            unflattened = tf.reshape(x, [-1 if steps is None else steps, batch, *x.shape[1:]])
            unflattened.set_shape([steps, frames.shape[1], *x.shape[1:]])
            return unflattened

        steps = frames.shape[0]
        return tf.cast(unflatten(h, steps), tf.float32), [unflatten(skip, own_skips or steps) for skip in skips]

    def call(self, frames: tf.Tensor, noise: tf.Tensor | None = None, training: bool = False) -> Outputs:
        """Run the teacher-forced forward pass over whole clips.

        Args:
            frames: uint8, or float32 in [0, 1], [B, T, H, W, C] with T static and at least 2.
            noise: float32 [T-1, B, Z], N(0, 1), to sample z from the posterior; None: z is the posterior's mean.
            training: whether batch normalization uses, and updates its moving statistics with, those of the batch.
        """
        outputs = self._forward(time_major(frames), noise, training)
        return tf.nest.map_structure(_swap_batch_and_time, outputs)

    def _forward(
        self, frames: tf.Tensor, noise: tf.Tensor | None, training: bool, inputs: tf.Tensor | None = None
    ) -> Outputs:
        """Run the forward pass on time-major clips; the outputs are time-major, too.

        Args:
            frames: float32 [T, B, H, W, C].
            noise: as in `call`.
            training: as in `call`.
            inputs: float32 [T-1-P, B, H, W, C], read by the prior and the frame predictor instead of the true frames P
                to T-2; None: the true frames (teacher forcing). The posterior reads the true frames in either case.
        """
        length, n_past = frames.shape[0], self.n_past
        encoded = frames if inputs is None else tf.concat([frames, inputs], axis=0)
        # Step t uses the skips of frame t-1 as long as frames have their own.
        own_skips = min(length - 1, self.own_skips or length)
        if self.own_skips is None and inputs is not None:
            own_skips = None
        codes, skips = self.encode(encoded, training, own_skips)
        h, past = codes[:length], codes[: length - 1]
        if inputs is not None:
            past = tf.concat([codes[:n_past], codes[length:]], axis=0)
            if own_skips is None:
                skips = [tf.concat([skip[:n_past], skip[length:]], axis=0) for skip in skips]
        batch, z, posterior, prior = tf.shape(h)[1], None, None, None
        if self.posterior is not None:
            posterior, _ = self.posterior(h[1:], self.posterior.initial_state(batch))
            z = posterior[0] if noise is None else losses.sample(posterior, noise)  # [T-1, B, Z]
        if self.prior is not None:
            prior, _ = self.prior(past, self.prior.initial_state(batch))
        g, _ = self.frame_predictor(past, z, self.frame_predictor.initial_state(batch))  # [T-1, B, G]
        predictions = self.decoder(g, self.decoder.project_skips(skips), training=training)
        return Outputs(predictions, h, g, z, posterior, prior)

    def objective(
        self,
        frames: tf.Tensor,
        noise: tf.Tensor | None,
        beta: float | tf.Tensor,
        training: bool,
        replace: tf.Tensor | None = None,
    ) -> tuple[Losses, tf.Tensor]:
        """Evaluate the objective (equation 6) on a batch.

        Args:
            frames: uint8, or float32 in [0, 1], [B, T, H, W, C].
            noise: float32 [T-1, B, Z]; None: the posterior's mean.
            beta: weight of the KL divergence.
            training: as in `call`.
            replace: bool [T-1-P, B], which of the input frames P to T-2 are replaced with predictions; None: none.

        Returns:
            The losses, and the predictions of frames 1 to T-1, float32 [T-1, B, H, W, C].
        """
        frames, inputs = time_major(frames), None
        if replace is not None:
            inputs = rollout.scheduled_inputs(self, frames, noise, replace)
        outputs = self._forward(frames, noise, training, inputs)
        reconstruction = losses.reconstruction_loss(frames[1:], outputs.predictions)
        kl = tf.zeros([]) if outputs.posterior is None else losses.kl_divergence(outputs.posterior, outputs.prior)
        return Losses(reconstruction + beta * kl, reconstruction, kl), outputs.predictions

    def make_train_function(self, force: bool = False) -> Any:
        # The optimizer cannot create its variables in a second trace, after one that failed on wrong frames.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Update the weights with a batch of clips, uint8 or float32 [B, T, H, W, C].

        The noise is a function of the seed and of `step`. With several replicas the batch is this replica's part.
        """
        frames = self._frames(data)
        step = self.step.value
        z_noise = self._step_noise(frames, noise.TRAINING_STREAM, step)
        beta = self.beta(step) if callable(self.beta) else self.beta
        replace = self._replaced_inputs(frames, step)
        with tf.GradientTape() as tape:
            result, predictions = self.objective(frames, z_noise, beta, training=True, replace=replace)
            # Optimizers add up the gradients of the replicas.
            loss = result.loss if replicas.count() == 1 else result.loss / replicas.count()
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.step.assign_add(1)
        return self._update_metrics(frames, predictions, result)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Evaluate the objective at full beta, with moving statistics and the same noise in each evaluation."""
        frames = self._frames(data)
        batch = tf.round(self._loss_tracker.count * replicas.count())  # batches since `reset_metrics`
        z_noise = self._step_noise(frames, noise.VALIDATION_STREAM, batch)
        beta = tf.constant(getattr(self.beta, "final", self.beta), tf.float32)
        result, predictions = self.objective(frames, z_noise, beta, training=False)
        return self._update_metrics(frames, predictions, result)

    def predict_step(self, data: Any) -> tf.Tensor:
        """Return the teacher-forced predictions of frames 1 to T-1, float32 [B, T-1, H, W, C] in [0, 1]."""
        frames = self._frames(data)
        return self(frames).predictions

    def generate(self, context: tf.Tensor | np.ndarray, n_future: int, n_samples: int = 1, seed: int = 0) -> tf.Tensor:
        """Sample futures of context frames.

        Args:
            context: uint8, or float32 in [0, 1], [B, P, H, W, C] with P = n_past.
            n_future: frames T to predict, at least 1.
            n_samples: futures S of each context, 1 to 4096.
            seed: 0 to 2**31 - 1. A future is a function of the weights, its context, the seed and its sample number:
                not of the rest of the batch, n_samples or n_future.

        Returns:
            The predicted frames, float32 [B, S, T, H, W, C] in [0, 1].

        Raises:
            ValueError: an argument is out of its range or has the wrong shape or dtype.
        """
        return self._sample(context, n_future, n_samples, seed).frames

    def prior_stddev(
        self, context: tf.Tensor | np.ndarray, n_future: int, n_samples: int = 1, seed: int = 0
    ) -> tf.Tensor:
        """Return the standard deviation of the learned prior along the futures that `generate` samples.

        Arguments and errors are those of `generate`; the result is float32 [B, S, T, Z]. It measures how uncertain the
        model is about each predicted frame.

        Raises:
            ValueError: the prior is not learned.
        """
        if self.prior is None:
            raise ValueError(f"prior is {self.prior_type!r}; only a learned prior has a standard deviation to return.")
        gaussian = self._sample(context, n_future, n_samples, seed).prior
        assert gaussian is not None  # the prior is learned
        return losses.stddev(gaussian[1])

    def reconstruct(self, frames: tf.Tensor | np.ndarray) -> tf.Tensor:
        """Predict each frame from the true frame before it and the posterior's mean of z.

        Args:
            frames: uint8, or float32 in [0, 1], [B, T, H, W, C], T at least 2.

        Returns:
            Frames 1 to T-1, float32 [B, T-1, H, W, C] in [0, 1].

        Raises:
            ValueError: frames have the wrong shape, dtype or range.
        """
        return rollout.reconstruct(self, rollout.check_frames(self, frames))

    def export(self, filepath: str, **kwargs) -> None:
        """Refuse Keras' export, whose SavedModel would hold the teacher-forced forward pass and not the sampler."""
        raise NotImplementedError("Export the sampler with `svg-tf export-saved-model` or `svg-tf export-tflite`.")

    def _sample(self, context: tf.Tensor | np.ndarray, n_future: int, n_samples: int, seed: int) -> rollout.Rollout:
        context = tf.convert_to_tensor(context)
        seeds = np.repeat(noise.sample_seeds(seed, [0], n_samples), len(context), axis=0)
        return rollout.generate(self, context, n_future, seeds)

    def _frames(self, data: Any) -> tf.Tensor:
        frames, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return rollout.check_frames(self, frames)

    def _step_noise(self, frames: tf.Tensor, stream: int, step: tf.Tensor) -> tf.Tensor | None:
        if not self.has_latent:
            return None
        batch = tf.shape(frames)[0] if frames.shape[0] is None else frames.shape[0]
        shape = [frames.shape[1] - 1, batch * replicas.count(), self.z_dim]
        return replicas.own_share(noise.step_noise(shape, self.seed, stream, step))

    def _replaced_inputs(self, frames: tf.Tensor, step: tf.Tensor) -> tf.Tensor | None:
        """Draw which input frames scheduled sampling replaces: bool [T-1-P, B]; None: it is off."""
        steps = frames.shape[1] - 1 - self.n_past
        if steps < 1 or not (callable(self.scheduled_sampling) or self.scheduled_sampling):
            return None
        batch = tf.shape(frames)[0] if frames.shape[0] is None else frames.shape[0]
        uniform = noise.step_uniform([steps, batch * replicas.count(), 1], self.seed, step)
        share = self.scheduled_sampling(step) if callable(self.scheduled_sampling) else self.scheduled_sampling
        return replicas.own_share(uniform)[..., 0] < share

    def _update_metrics(self, frames: tf.Tensor, predictions: tf.Tensor, result: Losses) -> dict[str, tf.Tensor]:
        trackers = [self._loss_tracker, *self._loss_parts]
        for tracker, value in zip(trackers, replicas.average(list(result)), strict=True):
            # Without ensure_shape, Grappler merges `total + (reconstruction + beta * kl)` into one AddN, whose order of
            # summation varies at run time. A metric's state is summed over the replicas.
            tracker.update_state(tf.ensure_shape(value, []), sample_weight=1.0 / replicas.count())
        if self._compile_metrics is not None:
            targets = _swap_batch_and_time(time_major(frames)[1:])
            self._compile_metrics.update_state(targets, _swap_batch_and_time(predictions))
        return self.get_metrics_result()


def _check(arguments: dict[str, Any]) -> None:
    choices = {"prior": PRIORS, "skip_frame": SKIP_FRAMES, "recurrence": RECURRENCES}
    choices["backbone"] = tuple(registry.BACKBONES)
    for name, value in arguments.items():
        if name in choices:
            if value not in choices[name]:
                raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices[name])}.")
        elif name == "seed":
            if not (isinstance(value, int) and 0 <= value < 2**31):
                raise ValueError(f"seed is {value!r}; it must be 0 to 2147483647.")
        elif name != "remat" and not (isinstance(value, int) and value >= 1):
            raise ValueError(f"{name} is {value!r}; it must be an integer of 1 or greater.")
    size = arguments["image_size"]
    if size < 32 or size & (size - 1):
        raise ValueError(f"image_size is {size}; it must be a power of two, at least 32.")
    if arguments["skip_frame"] == "original" and arguments["n_past"] < 2:
        raise ValueError("skip_frame is 'original' with n_past 1; use skip_frame='last' or at least 2 context frames.")


def _swap_batch_and_time(x: tf.Tensor | None) -> tf.Tensor | None:
    """Transpose [T, B, ...] to [B, T, ...]; None stays None."""
    return None if x is None else tf.transpose(x, [1, 0, *range(2, x.shape.rank)])
