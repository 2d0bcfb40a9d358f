"""Grad-CAM of a network of pixels: where in a picture the evidence for a class lies, of all pixels or of a region of them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.running import compiled, to_numpy, value_and_gradient
from convscope.cams.methods import grad_cam
from convscope.errors import UserError, nearest
from convscope.models.graphs import cut_at
from convscope.models.layers import layer_table
from convscope.models.lower_part import lower_part
from convscope.models.spec import ModelSpec


def deepest_layer(network: keras.Model, spec: ModelSpec) -> str:
    """The layer whose maps are the smallest, the last one of those: where an encoder ends and a decoder begins."""
    rows = layer_table(network, spec)
    smallest = min(row.height * row.width for row in rows)
    return next(row.name for row in reversed(rows) if row.height * row.width == smallest)


class SegGradCam:
    """Seg-Grad-CAM: `L = ReLU(sum_k a_k A_k)` with `a_k = mean_uv d(sum_ij in M z_ij,c) / dA_uv,k`.

    Grad-CAM whose score is the sum of a class's logits over the pixels of M (Vinogradova, Dibrov & Myers 2020, arXiv 2002.11434). Of
    all pixels it is the evidence for the class anywhere, of one object's that for this object. Weights of two regions without a
    common pixel add up to those of both, and so do the maps before their ReLU.

    Args:
        network: functional model, model space -> logits (N, H, W, classes).
        spec: its classes.
        layer: the layer whose feature maps carry the map.

    Raises:
        UserError: it answers no classes of pixels, or has no such layer.
    """

    def __init__(self, network: keras.Model, spec: ModelSpec, layer: str) -> None:
        if spec.head != "segmentation":
            raise UserError(
                f"model '{spec.name}' does not answer a class for every pixel, so there is no region to explain"
            )
        flat, sources, self._tail = cut_at(network, layer)
        self._head = lower_part(flat, sources)
        parts = [keras.KerasTensor((None, *tensor.shape[1:]), tensor.dtype) for tensor in sources]
        region, target = keras.KerasTensor((None, None, None), "float32"), keras.KerasTensor((), "int32")
        images = keras.KerasTensor((None, *flat.inputs[0].shape[1:]), "float32")
        self._explain = compiled(self._gradient, [parts, region, target], flat.variables)
        self._forward = compiled(lambda images: self._head(images), [images], flat.variables)

    def _gradient(self, parts: list[Any], region: Any, target: Any) -> tuple[Any, Any]:
        def score(maps: Any) -> Any:
            logits = ops.cast(self._tail(maps, *parts[1:]), "float32")
            scores = ops.sum(ops.take(logits, target, axis=3) * region, axis=(1, 2))
            return ops.sum(scores), scores

        (_, scores), gradients = value_and_gradient(score, parts[0])
        return grad_cam(ops.cast(parts[0], "float32"), ops.cast(gradients, "float32")), scores

    def __call__(
        self, images: np.ndarray, regions: np.ndarray, targets: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Maps of a batch.

        Args:
            images: (N, H, W, C) float32 in model space.
            regions: (N, T, H, W) bool, the pixels of each target whose logits are summed.
            targets: T classes.

        Returns:
            Maps (N, T, h, w) float32 >= 0, not normalised, all zeros where nothing speaks for the class or the region is empty; and
            scores (N, T) float32.
        """
        parts = self._forward(images)
        found = [
            self._explain(parts, regions[:, place].astype(np.float32), target) for place, target in enumerate(targets)
        ]
        maps, scores = zip(*found, strict=True)
        return np.stack(list(map(to_numpy, maps)), axis=1), np.stack(list(map(to_numpy, scores)), axis=1)


def regions_of(
    kind: str, predicted: np.ndarray, truth: np.ndarray, targets: Sequence[int], box: Sequence[float] | None = None
) -> np.ndarray:
    """The pixels whose logits are summed.

    Args:
        kind: a name of `names.REGIONS`.
        predicted, truth: (N, H, W) integers, classes of the pixels.
        targets: T classes.
        box: [top, left, bottom, right] as shares of the picture's sides, 0..1; for the kind `box`. A pixel belongs to it whose
            middle lies in it.

    Returns:
        (N, T, H, W) bool.
    """
    count, height, width = predicted.shape
    if kind in ("predicted", "truth"):
        masks = predicted if kind == "predicted" else truth
        return np.stack([masks == target for target in targets], axis=1)
    inside = np.ones((height, width), np.bool_)
    if kind == "box":
        if box is None:
            raise ValueError("a box has four sides")
        top, left, bottom, right = box
        rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
        inside = ((rows > top) & (rows < bottom))[:, None] & ((columns > left) & (columns < right))[None]
    return np.broadcast_to(inside, (count, len(targets), height, width))


def chosen_classes(wanted: str | Sequence[str], classes: Sequence[str], key: str) -> list[int]:
    """Numbers of the classes wanted: "all", or names.

    Raises:
        UserError: there is no such class.
    """
    if wanted == "all":
        return list(range(len(classes)))
    for name in wanted:
        if name not in classes:
            raise UserError(f"{key}: class '{name}' does not exist; {nearest(name, classes)}")
    return [index for index, name in enumerate(classes) if name in wanted]
