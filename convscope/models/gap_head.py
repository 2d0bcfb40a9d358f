"""The head that CAM needs: global average pooling and one dense layer; the network's own, or one trained for it."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from convscope.errors import UserError
from convscope.models.graphs import flatten, is_flat, is_random, nodes_in_order, tensor_of
from convscope.models.nodes import is_kerass
from convscope.models.nonlinearity import is_linear
from convscope.models.spec import ModelSpec
from convscope.models.tokens import grid_of, is_tokens
from convscope.storage import store


@dataclass(frozen=True)
class GapHead:
    """Weights of a dense layer behind global average pooling.

    Attributes:
        kernel: (K, units) float32; one unit for a binary head.
        bias: (units,) float32.
        own: whether it is the network's own head, or was trained beside it.
    """

    kernel: np.ndarray
    bias: np.ndarray
    own: bool

    def class_weights(self, spec: ModelSpec) -> np.ndarray:
        """Weights of each class, (K, classes): `[-w, w]` for a one-unit head."""
        return np.concatenate([-self.kernel, self.kernel], axis=1) if spec.head == "binary" else self.kernel

    def logits(self, pooled: np.ndarray) -> np.ndarray:
        """(N, K) pooled features -> (N, units) float32."""
        return (pooled @ self.kernel + self.bias).astype(np.float32)

    def save(self, path: str | os.PathLike[str], **attributes: Any) -> None:
        """Write it as HDF5."""
        with store.create(path, own=int(self.own), **attributes) as file:
            store.write_array(file, "kernel", self.kernel, ("channel", "unit"))
            store.write_array(file, "bias", self.bias, ("unit",))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "GapHead":
        """Read what `save` wrote.

        Raises:
            UserError: what `write_refusal` wrote: why there is no head.
        """
        with store.open_file(path) as file:
            if refusal := file.attrs.get("refusal"):
                raise UserError(str(refusal))
            return cls(file["kernel"][()], file["bias"][()], bool(file.attrs["own"]))


def write_refusal(path: str | os.PathLike[str], reason: str, **attributes: Any) -> None:
    """Write, in place of a head, why a model has none: the methods that share a pass with CAM are made all the same."""
    with store.create(path, refusal=reason, **attributes):
        pass


def own_gap_head(network: keras.Model, layer: str) -> GapHead | None:
    """The network's own head, where nothing but global average pooling and a dense layer is behind `layer`; else None.

    Raises:
        UserError: there is no such layer.
    """
    flat = network if is_flat(network) else flatten(network)
    tensor = tensor_of(flat, layer)
    pooled = False
    dense = None
    # The chain behind the layer; any fork ends the search.
    while tensor is not flat.outputs[0]:
        takers = [n for n in nodes_in_order(flat) if any(used is tensor for used in n.input_tensors)]
        if len(takers) != 1 or len(takers[0].input_tensors) != 1:
            return None
        operation, tensor = takers[0].operation, takers[0].outputs[0]
        kind = type(operation).__name__ if is_random(operation) or _is_kerass(operation) else ""
        if not pooled and (kind == "GlobalAveragePooling2D" or _pools_patches(flat, takers[0])):
            pooled = True
        elif kind == "Dense" and pooled and dense is None and is_linear(operation):
            dense = operation
        elif not (is_random(operation) or kind == "Identity" or (kind == "Flatten" and pooled)):
            return None
    if dense is None:
        return None
    kernel = np.asarray(dense.kernel, np.float32)
    bias = np.asarray(dense.bias, np.float32) if dense.use_bias else np.zeros(kernel.shape[1], np.float32)
    return GapHead(kernel, bias, own=True)


def _is_kerass(operation: Any) -> bool:
    return is_kerass(operation, "GlobalAveragePooling2D", "Dense", "Identity", "Flatten")


def _pools_patches(flat: keras.Model, node: Any) -> bool:
    """Whether a call is the mean of the tokens of a picture's patches, and of no others."""
    operation = node.operation
    mean = is_kerass(operation, "Mean") and operation.axis in (1, (1,), [1]) and not operation.keepdims
    if not (mean or is_kerass(operation, "GlobalAveragePooling1D")) or not is_tokens(node.input_tensors[0]):
        return False
    try:
        grid = grid_of(flat, node.input_tensors[0])
    except UserError:
        return False
    return not grid.before + grid.after


def pooled_features(
    forward: Callable[[Any], Any], batches: Iterable[np.ndarray], channels: int, units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pooled feature maps and logits of many images.

    Args:
        forward: images (n, H, W, 3) in model space -> (pooled (n, K), logits (n, units)) float32.
        batches: of images in model space.
        channels: K.
        units: of the network's output.

    Returns:
        (N, K) and (N, units) float32.
    """
    pooled, logits = [np.zeros((0, channels), np.float32)], [np.zeros((0, units), np.float32)]
    for images in batches:
        features, outputs = forward(images)
        pooled.append(np.asarray(features))
        logits.append(np.asarray(outputs))
    return np.concatenate(pooled), np.concatenate(logits)


def train_gap_head(pooled: np.ndarray, labels: np.ndarray, spec: ModelSpec, strength: float = 1.0) -> GapHead:
    """A dense layer on frozen, pooled features: logistic regression, solved to convergence (no seed, no step size).

    Args:
        pooled: (N, K) float32.
        labels: (N,) class indices.
        spec: the model's classes and head.
        strength: inverse of the L2 penalty on the weights of standardised features.

    Raises:
        UserError: a class without pictures.
    """
    from sklearn.linear_model import LogisticRegression

    missing = [name for index, name in enumerate(spec.classes) if not (labels == index).any()]
    if missing:
        raise UserError(
            f"gap_head: no training picture of class '{missing[0]}' of model '{spec.name}'; "
            "name a data set with all of its classes under cams.<model>.gap_head"
        )
    mean, deviation = pooled.mean(axis=0, dtype=np.float64), pooled.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1.0
    fitted = LogisticRegression(C=strength, max_iter=2000).fit((pooled - mean) / deviation, labels)
    kernel = (fitted.coef_ / deviation).T
    bias = fitted.intercept_ - mean @ kernel
    if spec.head == "multiclass" and kernel.shape[1] == 1:
        # Two classes are fitted as one column: half of it for the one, half against the other.
        kernel, bias = np.concatenate([-kernel, kernel], axis=1) / 2, np.concatenate([-bias, bias]) / 2
    return GapHead(kernel.astype(np.float32), bias.astype(np.float32), own=False)
