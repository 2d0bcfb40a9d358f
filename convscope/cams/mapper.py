"""Class activation maps of batches of images: one forward pass, one gradient of the tail, every method asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.running import compiled, to_numpy, value_and_gradient
from convscope.cams.methods import FROM_GRADIENTS, class_map, eigen_cam
from convscope.cams.methods import grad_cam as grad_cam
from convscope.cams.score_cam import ScoreCam
from convscope.errors import UserError, nearest
from convscope.models.gap_head import GapHead, own_gap_head
from convscope.models.graphs import cut_at
from convscope.models.lower_part import lower_part
from convscope.models.spec import ModelSpec
from convscope.models.targets import target_classes

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
        key: of the config that asks for the maps, for messages.

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
        key: str = "cams",
    ) -> None:
        spec.require_classes()
        for method in methods:
            if method not in METHODS:
                raise UserError(f"{key}: method '{method}' does not exist; {nearest(method, METHODS)}")
        self.spec, self.layer, self.methods, self._key = spec, layer, tuple(methods), key
        flat, sources, self._tail = cut_at(network, layer)
        self._head = lower_part(flat, sources, fold)
        self._class_weights: np.ndarray | None = None
        if "cam" in methods:
            found = gap_head or own_gap_head(network, layer)
            if found is None:
                raise UserError(
                    f"{key}: method 'cam' needs global average pooling and one dense layer behind '{layer}', which model "
                    f"'{spec.name}' does not have; give it a GAP head (rule gap_head) or leave 'cam' out"
                )
            self._class_weights = found.class_weights(spec)
        self._score_cam = None
        if "score_cam" in methods:
            self._score_cam = ScoreCam(self._logits, spec, score_channels, flat.variables)
        # A free batch size: the short batch at the end needs no trace of its own.
        image = keras.KerasTensor((None, *flat.inputs[0].shape[1:]), "float32")
        self._forward = compiled(self._forward_pass, [image], flat.variables)
        parts = [keras.KerasTensor((None, *tensor.shape[1:]), tensor.dtype) for tensor in sources]
        targets = keras.KerasTensor((None,), "int32")
        self._explain = compiled(self._tail_gradient, [parts, targets], flat.variables)

    def _logits(self, images: Any) -> Any:
        return ops.cast(self._tail(*self._head(images)), "float32")

    def _forward_pass(self, images: Any) -> Any:
        parts = self._head(images)
        return parts, ops.cast(self._tail(*parts), "float32")

    def _tail_gradient(self, parts: Any, targets: Any) -> Any:
        def score(activations: Any) -> Any:
            logits = ops.cast(self._tail(activations, *parts[1:]), "float32")
            # A one-unit head speaks for class 1 with z and for class 0 with -z.
            columns = ops.concatenate([-logits, logits], axis=1) if self.spec.head == "binary" else logits
            scores = ops.take_along_axis(columns, targets[:, None], axis=1)[:, 0]
            return ops.sum(scores), scores

        maps = {}
        activations = ops.cast(parts[0], "float32")
        if wanted := [method for method in self.methods if method in FROM_GRADIENTS]:
            (_, scores), gradients = value_and_gradient(score, parts[0])
            gradients = ops.cast(gradients, "float32")
            maps = {method: FROM_GRADIENTS[method](activations, gradients) for method in wanted}
        else:
            _, scores = score(parts[0])
        if self._class_weights is not None:
            weights = ops.convert_to_tensor(np.ascontiguousarray(self._class_weights.T))
            maps["cam"] = class_map(activations, ops.take(weights, targets, axis=0))
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
        parts, logits = self._forward(images)
        logits = to_numpy(logits)
        predicted = self.spec.predicted(self.spec.class_scores(logits))
        targets = self.targets(predicted, labels, target)
        found, scores = zip(*(self._explain(parts, column) for column in targets.T), strict=True)
        maps = {method: np.stack([to_numpy(part[method]) for part in found], axis=1) for method in found[0]}
        if "eigen_cam" in self.methods:
            # No class in it: the same map for every target.
            maps["eigen_cam"] = np.repeat(eigen_cam(to_numpy(parts[0]))[:, None], targets.shape[1], axis=1)
        if self._score_cam is not None:
            maps["score_cam"] = self._score_cam(images, to_numpy(parts[0]), targets)
        return ClassMaps(
            maps={method: maps[method].astype(np.float32) for method in self.methods},
            targets=targets,
            scores=np.stack([to_numpy(s) for s in scores], axis=1).astype(np.float32),
            probabilities=self.spec.probabilities(logits).astype(np.float32),
            predicted=predicted,
        )

    def targets(self, predicted: np.ndarray, labels: Sequence[int] | np.ndarray, target: str | int) -> np.ndarray:
        """The classes to explain, (N, T) int64 (see `__call__`)."""
        return target_classes(self.spec, predicted, np.asarray(labels), target, self._key)
