"""DeepSHAP: the `shap` library's DeepExplainer, and which layers of a network it cannot explain (1705.07874)."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from convscope.attributions.base import Attribution
from convscope.attributions.batches import BATCH
from convscope.attributions.shap_values import checked_background
from convscope.errors import UserError
from convscope.models.nodes import inside_a_network, nodes_in_order


def unsupported_layer(network: keras.Model) -> tuple[str, str, str] | None:
    """The first layer that DeepExplainer has no rule for. It would fail there, and spoil later gradients of the process.

    Args:
        network: flat functional network.

    Returns:
        Name and class of the layer, and TensorFlow's name of the operation; None where every layer can be explained.
    """
    from shap.explainers._deep.deep_tf import op_handlers

    for node in nodes_in_order(network):
        for kind in _operations(node):
            if kind not in op_handlers:
                return str(node.operation.name), type(node.operation).__name__, kind
    return None


def _operations(node: Any) -> list[str]:
    """Kinds of the TensorFlow operations between the inputs and the outputs of a layer's call, in inference mode."""
    flexible = {"training": False} if getattr(node.operation, "_call_has_training_arg", False) else {}

    def call(*tensors: Any) -> Any:
        args, kwargs = node.arguments.fill_in(dict(zip(map(id, node.input_tensors), tensors, strict=True)))
        with inside_a_network():
            return node.operation(*args, **{**kwargs, **flexible})

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in node.input_tensors]
    graph = tf.function(call).get_concrete_function(*specs).graph
    # From the outputs back: constants and weights lie on no path from the inputs.
    reached = {id(tensor.op) for tensor in graph.inputs[: len(specs)]}
    between = []
    for operation in graph.get_operations():
        if any(id(tensor.op) in reached for tensor in operation.inputs):
            reached.add(id(operation))
            between.append(operation)
    wanted = {id(tensor.op) for tensor in tree.flatten(graph.outputs)}
    kinds = []
    for operation in reversed(between):
        if id(operation) in wanted:
            wanted |= {id(tensor.op) for tensor in operation.inputs}
            kinds.append(operation.type)
    return kinds[::-1]


class _OneUnit(keras.layers.Layer):
    """One column of the logits. The library looks at the last layer; a bare slice is none."""

    def __init__(self, unit: int) -> None:
        super().__init__()
        self.unit = unit

    def call(self, logits: Any) -> Any:
        return logits[:, self.unit : self.unit + 1]


@contextlib.contextmanager
def _gradients_restored() -> Iterator[None]:
    """Put TensorFlow's recording of gradients back even where the library fails: it would break every later gradient."""
    from tensorflow.python.eager import execute

    recording = execute.record_gradient
    try:
        yield
    finally:
        execute.record_gradient = recording


class DeepShap:
    """DeepSHAP as an explainer (see `base.Explainer`): maps (N, H, W, C), signed.

    Fact `additivity_gap` (N,): the map's sum less `F(x)` plus the mean score of the background; the library's rules for
    max-pooling and products make it differ from zero.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `background`, how many pictures to compare with at most; the cost grows with it.
        background: (M, H, W, C) float32 in model space.

    Raises:
        UserError: the network has a layer that DeepExplainer cannot explain, or there is no background.
    """

    name = "deep_shap"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any], background: np.ndarray | None) -> None:
        self.scores = scores
        found = unsupported_layer(scores.network)
        if found:
            layer, kind, operation = found
            raise UserError(
                f"deep_shap cannot explain model '{scores.spec.name}': the shap library has no rule for its layer "
                f"'{layer}' ({kind}, operation {operation}); use kernel_shap or gradient_shap instead"
            )
        pictures = checked_background(background, self.name)
        count = min(int(settings["background"]), len(pictures))
        if count < 1:
            raise UserError(f"deep_shap.background is {settings['background']}; at least 1 picture to compare with")
        chosen = pictures[np.linspace(0, len(pictures) - 1, count).round().astype(int)]
        self._chosen = chosen
        self._libraries: dict[int, Any] = {}
        self._means = scores.spec.class_scores(scores.logits(chosen, BATCH)).astype(np.float64).mean(axis=0)

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        spec = self.scores.spec
        maps = np.zeros(images.shape, np.float32)
        gaps = np.zeros(len(images), np.float32)
        for row, (image, target) in enumerate(zip(images, targets, strict=True)):
            # A one-unit head speaks for class 0 with -z.
            unit, sign = (0, 1 if target else -1) if spec.head == "binary" else (int(target), 1)
            with _gradients_restored():
                values = self._library(unit).shap_values(image[None], check_additivity=False)
            maps[row] = sign * np.asarray(values).reshape(image.shape)
            score = spec.class_scores(self.scores.logits(image[None], 1))[0, int(target)]
            gaps[row] = maps[row].sum(dtype=np.float64) - (score - self._means[int(target)])
        return Attribution(maps, {"additivity_gap": gaps})

    def _library(self, unit: int) -> Any:
        """DeepExplainer of one output unit; of the whole network it would explain every class."""
        import shap

        if unit not in self._libraries:
            # The library wants to know the size of the image; a network may leave it open.
            image = keras.Input(self._chosen.shape[1:])
            # It calls the network with a list of its one input.
            alone = keras.Model([image], _OneUnit(unit)(self.scores.network(image)))
            with warnings.catch_warnings():
                # It says of any TensorFlow of these years that it is new.
                warnings.simplefilter("ignore")
                self._libraries[unit] = shap.DeepExplainer(alone, self._chosen)
        return self._libraries[unit]
