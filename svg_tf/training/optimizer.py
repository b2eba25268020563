"""Adam with TensorFlow's fused kernel, and loss scaling, for one replica or several."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="svg_tf")
class Adam(keras.optimizers.Adam):
    """Adam (Kingma & Ba, 2015), with the arguments of `keras.optimizers.Adam`.

    Replaces Keras' update, which takes ten operations per tensor, with one fused kernel: 2.5 times as fast on a CPU.
    The gradients of all replicas are summed before they are clipped, where Keras clips those of each replica. Each
    replica updates its own copy of the variables, so `gradient_accumulation_steps` works with `MirroredStrategy`.
    """

    def apply(self, grads, trainable_variables=None):
        """Sum the gradients over the replicas, then clip, accumulate or apply them."""
        super().apply(_all_reduce(tf.distribute.ReduceOp.SUM, grads), trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable and its moments."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    # Keras' versions of these three call merge_call, which MirroredStrategy forbids inside tf.cond.

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable.value, learning_rate)

    def _backend_increment_gradient_accumulators(self, grads, acc_grads):
        for gradient, total in zip(grads, acc_grads, strict=True):
            tf.raw_ops.AssignAddVariableOp(resource=total.value.handle, value=gradient)

    def _backend_reset_gradient_accumulators(self):
        for total in self._accumulated_gradients:
            tf.raw_ops.AssignVariableOp(resource=total.value.handle, value=tf.zeros_like(total.value))


@keras.saving.register_keras_serializable(package="svg_tf")
class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """`keras.optimizers.LossScaleOptimizer`, which skips a step if the gradient of any replica is not finite.

    Keras looks at the gradients of the first replica only.
    """

    def apply(self, grads, trainable_variables=None):
        """Average the gradients over the replicas, whose sum the inner optimizer takes, and apply them if finite."""
        super().apply(_all_reduce(tf.distribute.ReduceOp.MEAN, grads), trainable_variables)


def _all_reduce(operation: tf.distribute.ReduceOp, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return gradients
    return context.all_reduce(operation, list(gradients))
