"""Class activation maps: where in the image the evidence for a class lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.errors import UserError
from convscope.model_spec import ModelSpec
from convscope.networks import split_at


def grad_cam(activations: Any, gradients: Any) -> Any:
    """Grad-CAM: `ReLU(sum_k a_k A_k)` with `a_k = mean_ij dy_c/dA_ijk` (Selvaraju et al. 2016, 1610.02391).

    Args:
        activations: (N, h, w, K) feature maps.
        gradients: (N, h, w, K) gradient of the class score, a logit, with respect to them.

    Returns:
        (N, h, w) float32, >= 0, not normalised; all zeros where nothing speaks for the class.
    """
    weights = tf.reduce_mean(gradients, axis=(1, 2))
    return tf.nn.relu(tf.einsum("nhwk,nk->nhw", activations, weights))


# Every method takes the feature maps and the gradients of the class score with respect to them.
METHODS: dict[str, Callable[[Any, Any], Any]] = {"gradcam": grad_cam}


@dataclass(frozen=True)
class ClassMaps:
    """Maps of a batch of images.

    Attributes:
        maps: (N, T, h, w) float32, raw (not normalised), T targets an image.
        targets: (N, T) int64, the classes explained.
        scores: (N, T) float32, logit of each target (binary head: -z for class 0, z for class 1).
        probabilities: (N, classes) float32.
        predicted: (N,) int64.
    """

    maps: np.ndarray
    targets: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray


class ClassMapper:
    """Computes class activation maps of batches with one forward pass and one gradient of the network's tail.

    The network is cut in a head (image -> feature maps) and a tail (feature maps -> logits); only the tail is differentiated.

    Args:
        network: functional model, model space -> logits.
        spec: its classes and head.
        layer: the layer whose feature maps carry the map; the last convolutional output after its activation is usual.
        method: a name of `METHODS`.

    Raises:
        UserError: unknown layer, or a model without a classifier.
    """

    def __init__(self, network: keras.Model, spec: ModelSpec, layer: str, method: str = "gradcam") -> None:
        if spec.head == "none":
            raise UserError(
                f"model '{spec.name}' has no classifier, so no class to explain; name a classifier preset for cams"
            )
        self.spec, self.layer, self.method = spec, layer, METHODS[method]
        self._head, self._tail = split_at(network, layer)
        self._forward = tf.function(self._forward_pass, reduce_retracing=True)
        self._explain = tf.function(self._tail_gradient, reduce_retracing=True)

    def _forward_pass(self, images: Any) -> Any:
        parts = self._head(images, training=False)
        parts = list(parts) if isinstance(parts, (list, tuple)) else [parts]
        return parts, tf.cast(self._tail(*parts), tf.float32)

    def _tail_gradient(self, parts: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(parts[0])
            logits = tf.cast(self._tail(*parts), tf.float32)
            # A one-unit head speaks for class 1 with z and for class 0 with -z.
            columns = tf.concat([-logits, logits], axis=1) if self.spec.head == "binary" else logits
            scores = tf.gather(columns, targets, axis=1, batch_dims=1)
            total = tf.reduce_sum(scores)
        return self.method(parts[0], tape.gradient(total, parts[0])), scores

    def __call__(self, images: np.ndarray, labels: np.ndarray, target: str | int) -> ClassMaps:
        """Maps of a batch.

        Args:
            images: (N, H, W, 3) float32 in model space.
            labels: (N,) true classes, -1 unknown; used by `target="true"` alone.
            target: "predicted", "true", "all", a class name or an index.

        Raises:
            UserError: "true" for images without a label, or an unknown class.
        """
        parts, logits = self._forward(tf.constant(images))
        logits = logits.numpy()
        predicted = self.spec.class_scores(logits).argmax(axis=1)
        targets = self.targets(predicted, labels, target)
        maps, scores = zip(*(self._explain(parts, tf.constant(column, tf.int32)) for column in targets.T), strict=True)
        return ClassMaps(
            maps=np.stack([m.numpy() for m in maps], axis=1).astype(np.float32),
            targets=targets,
            scores=np.stack([s.numpy() for s in scores], axis=1).astype(np.float32),
            probabilities=self.spec.probabilities(logits).astype(np.float32),
            predicted=predicted,
        )

    def targets(self, predicted: np.ndarray, labels: Sequence[int] | np.ndarray, target: str | int) -> np.ndarray:
        """The classes to explain, (N, T) int64 (see `__call__`)."""
        labels = np.asarray(labels)
        if target == "predicted":
            return predicted[:, None].astype(np.int64)
        if target == "true":
            if (labels < 0).any():
                raise UserError(
                    "cams: class 'true' needs labels, and some images have none; use class: predicted or name a class"
                )
            return labels[:, None].astype(np.int64)
        if target == "all":
            return np.tile(np.arange(len(self.spec.classes)), (len(predicted), 1))
        return np.full((len(predicted), 1), self.spec.class_index(target), np.int64)
