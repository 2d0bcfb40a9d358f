"""The score of a class, its gradient with respect to the image, and the probabilities."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.models.spec import ModelSpec


def columns(logits: Any, spec: ModelSpec) -> Any:
    """Scores of all classes, (N, classes) tensor of logits (N, units): a one-unit head says -z for class 0, z for class 1."""
    logits = tf.cast(logits, tf.float32)
    return tf.concat([-logits, logits], axis=1) if spec.head == "binary" else logits


def pick(scores: Any, targets: Any) -> Any:
    """The score of each image's target: (N, classes), (N,) -> (N,)."""
    return tf.gather(scores, tf.cast(targets, tf.int32), axis=1, batch_dims=1)


class ClassScores:
    """A model as a function of the image: the score of a class is its logit, never a probability.

    A sigmoid or softmax has no gradient left where the model is sure. Always in inference mode.

    Args:
        network: model space (N, H, W, C) -> logits (N, units).
        spec: its classes and head.

    Raises:
        UserError: the model has no classifier.
    """

    def __init__(self, network: keras.Model, spec: ModelSpec) -> None:
        spec.require_classes()
        self.network, self.spec = network, spec
        self._logits = tf.function(self._forward, reduce_retracing=True)
        self._gradient = tf.function(self._differentiate, reduce_retracing=True)

    def _forward(self, images: Any) -> Any:
        return tf.cast(self.network(images, training=False), tf.float32)

    def scores(self, images: Any, targets: Any) -> Any:
        """Logit of each image's target, (N,) float32 tensor; differentiable, and traces in a `tf.function`."""
        return pick(columns(self._forward(images), self.spec), targets)

    def _differentiate(self, images: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = self.scores(images, targets)
            total = tf.reduce_sum(scores)
        return tape.gradient(total, images), scores

    def gradient(self, images: Any, targets: Any) -> tuple[Any, Any]:
        """Gradient of each image's score with respect to it, (N, H, W, C), and the scores, (N,); float32 tensors."""
        gradients, scores = self._gradient(tf.convert_to_tensor(images, tf.float32), tf.cast(targets, tf.int32))
        return gradients, scores

    def logits(self, images: np.ndarray, batch: int = 32) -> np.ndarray:
        """Logits (N, units) float32 of images in model space, `batch` at a time."""
        parts = [self._logits(tf.constant(images[i : i + batch], tf.float32)) for i in range(0, len(images), batch)]
        return np.concatenate([part.numpy() for part in parts]) if parts else np.zeros((0, self.spec.units), np.float32)

    def probabilities(self, images: np.ndarray, batch: int = 32) -> np.ndarray:
        """Class probabilities (N, classes) float32, of a regression its outputs (see `ModelSpec.probabilities`)."""
        return self.spec.probabilities(self.logits(images, batch))
