"""The score of a class, its gradient with respect to the image, and the probabilities."""

from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.running import compiled, to_numpy, value_and_gradient
from convscope.models.spec import ModelSpec


def columns(logits: Any, spec: ModelSpec) -> Any:
    """Scores of all classes, (N, classes) tensor of logits (N, units): a one-unit head says -z for class 0, z for class 1."""
    logits = ops.cast(logits, "float32")
    return ops.concatenate([-logits, logits], axis=1) if spec.head == "binary" else logits


def pick(scores: Any, targets: Any) -> Any:
    """The score of each image's target: (N, classes), (N,) -> (N,)."""
    return ops.take_along_axis(scores, ops.cast(targets, "int32")[:, None], axis=1)[:, 0]


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
        self._logits = compiled(self._forward, variables=network.variables)
        self._gradient = compiled(self._differentiate, variables=network.variables)

    def _forward(self, images: Any) -> Any:
        return ops.cast(self.network(images, training=False), "float32")

    def scores(self, images: Any, targets: Any) -> Any:
        """Logit of each image's target, (N,) float32 tensor; differentiable, inside what is compiled."""
        return pick(columns(self._forward(images), self.spec), targets)

    def _differentiate(self, images: Any, targets: Any) -> Any:
        def score(images: Any) -> Any:
            scores = self.scores(images, targets)
            return ops.sum(scores), scores

        (_, scores), gradients = value_and_gradient(score, images)
        return gradients, scores

    def gradient(self, images: Any, targets: Any) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of each image's score with respect to it, (N, H, W, C), and the scores, (N,); float32."""
        images, targets = ops.convert_to_tensor(images, "float32"), ops.convert_to_tensor(targets, "int32")
        gradients, scores = self._gradient(images, targets)
        return to_numpy(gradients), to_numpy(scores)

    def logits(self, images: np.ndarray, batch: int = 32) -> np.ndarray:
        """Logits (N, units) float32 of images in model space, `batch` at a time."""
        starts = range(0, len(images), batch)
        parts = [self._logits(ops.convert_to_tensor(images[i : i + batch], "float32")) for i in starts]
        return (
            np.concatenate([to_numpy(part) for part in parts]) if parts else np.zeros((0, self.spec.units), np.float32)
        )

    def probabilities(self, images: np.ndarray, batch: int = 32) -> np.ndarray:
        """Class probabilities (N, classes) float32, of a regression its outputs (see `ModelSpec.probabilities`)."""
        return self.spec.probabilities(self.logits(images, batch))
