"""Class activation maps of batches of images: one forward pass, one gradient of the tail, every method asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.cams.methods import FROM_GRADIENTS, class_map, eigen_cam
from convscope.cams.methods import grad_cam as grad_cam
from convscope.cams.score_cam import ScoreCam
from convscope.errors import UserError, nearest
from convscope.models.folding import folded
from convscope.models.gap_head import GapHead, own_gap_head
from convscope.models.graphs import cut_at
from convscope.models.spec import ModelSpec

METHODS = (*FROM_GRADIENTS, "eigen_cam", "cam", "score_cam")


@dataclass(frozen=True)
class ClassMaps:
    """Maps of a batch of images.

    Attributes:
        maps: method -> (N, T, h, w) float32, raw (not normalised), T targets an image; >= 0 but for "cam".
        targets: (N, T) int64, the classes explained.
        scores: (N, T) float32, logit of each target (binary head: -z for class 0, z for class 1).
        probabilities: (N, classes) float32.
        predicted: (N,) int64.
    """

    maps: dict[str, np.ndarray]
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
        methods: names of `METHODS`.
        gap_head: weights that "cam" takes; the network's own where None.
        score_channels: of how many feature maps "score_cam" makes masks: those that vary most; all where None.
        fold: whether batch norms are folded into convolutions, which is faster and does not see later changes of the weights.

    Raises:
        UserError: unknown layer or method, a model without a classifier, or "cam" for a model without a GAP head.
    """

    def __init__(
        self,
        network: keras.Model,
        spec: ModelSpec,
        layer: str,
        methods: Sequence[str] = ("gradcam",),
        gap_head: GapHead | None = None,
        score_channels: int | None = None,
        fold: bool = True,
    ) -> None:
        spec.require_classes()
        for method in methods:
            if method not in METHODS:
                raise UserError(f"cams: method '{method}' does not exist; {nearest(method, METHODS)}")
        self.spec, self.layer, self.methods = spec, layer, tuple(methods)
        flat, sources, self._tail = cut_at(network, layer)
        self._head = folded(flat, sources) if fold else _unfolded(flat, sources)
        self._class_weights: np.ndarray | None = None
        if "cam" in methods:
            found = gap_head or own_gap_head(network, layer)
            if found is None:
                raise UserError(
                    f"cams: method 'cam' needs global average pooling and one dense layer behind '{layer}', which model "
                    f"'{spec.name}' does not have; give it a GAP head (rule gap_head) or leave 'cam' out"
                )
            self._class_weights = found.class_weights(spec)
        self._score_cam = None
        if "score_cam" in methods:
            self._score_cam = ScoreCam(self._logits, spec, score_channels)
        # A free batch size: the short batch at the end needs no trace of its own.
        image = tf.TensorSpec((None, *flat.inputs[0].shape[1:]), tf.float32)
        self._forward = tf.function(self._forward_pass, input_signature=[image])
        parts = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in sources]
        self._explain = tf.function(self._tail_gradient, input_signature=[parts, tf.TensorSpec((None,), tf.int32)])

    def _logits(self, images: Any) -> Any:
        return tf.cast(self._tail(*self._head(images)), tf.float32)

    def _forward_pass(self, images: Any) -> Any:
        parts = self._head(images)
        return parts, tf.cast(self._tail(*parts), tf.float32)

    def _tail_gradient(self, parts: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(parts[0])
            logits = tf.cast(self._tail(*parts), tf.float32)
            # A one-unit head speaks for class 1 with z and for class 0 with -z.
            columns = tf.concat([-logits, logits], axis=1) if self.spec.head == "binary" else logits
            scores = tf.gather(columns, targets, axis=1, batch_dims=1)
            total = tf.reduce_sum(scores)
        maps = {}
        activations = tf.cast(parts[0], tf.float32)
        if wanted := [method for method in self.methods if method in FROM_GRADIENTS]:
            gradients = tf.cast(tape.gradient(total, parts[0]), tf.float32)
            maps = {method: FROM_GRADIENTS[method](activations, gradients) for method in wanted}
        if self._class_weights is not None:
            maps["cam"] = class_map(activations, tf.gather(tf.constant(self._class_weights.T), targets))
        return maps, scores

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
        predicted = self.spec.predicted(self.spec.class_scores(logits))
        targets = self.targets(predicted, labels, target)
        found, scores = zip(*(self._explain(parts, tf.constant(column, tf.int32)) for column in targets.T), strict=True)
        maps = {method: np.stack([part[method].numpy() for part in found], axis=1) for method in found[0]}
        if "eigen_cam" in self.methods:
            # No class in it: the same map for every target.
            maps["eigen_cam"] = np.repeat(eigen_cam(parts[0].numpy())[:, None], targets.shape[1], axis=1)
        if self._score_cam is not None:
            maps["score_cam"] = self._score_cam(images, parts[0].numpy(), targets)
        return ClassMaps(
            maps={method: maps[method].astype(np.float32) for method in self.methods},
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


def _unfolded(flat: keras.Model, sources: list[Any]) -> Any:
    """`images -> list of tensors`, by the network's own layers and the weights that they have when it is called."""
    model = keras.Model(flat.inputs[0], sources)
    return lambda images: keras.tree.flatten(model(images, training=False))
