"""Attributions that change how the gradient passes back through the ReLUs: guided backprop, the deconvnet, Guided Grad-CAM."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from convscope.attributions.base import Attribution
from convscope.attributions.class_scores import columns, pick
from convscope.backends.running import compiled, to_numpy, value_and_gradient
from convscope.cams.methods import grad_cam
from convscope.errors import UserError
from convscope.models.cam_layer import default_cam_layer
from convscope.models.graphs import flatten, nodes_in_order, split_at
from convscope.models.nodes import inside_a_network
from convscope.models.nonlinearity import has_relu, is_relu, is_relu_call, other_rectifier
from convscope.models.spec import ModelSpec
from convscope.pictures.render import upsample

RULES = ("guided", "deconvnet")


def rectified(activation: Callable[[Any], Any], rule: str) -> Callable[[Any], Any]:
    """The same rectifier with another way back; only the gradient changes.

    "guided": `R = 1[f > 0] 1[R' > 0] R'` (Springenberg et al. 2014, 1412.6806); "deconvnet": `R = 1[R' > 0] R'` (Zeiler &
    Fergus 2013, 1311.2901).
    """

    def plain(x: Any) -> Any:
        y = activation(x)
        return ops.sum(y), y

    @ops.custom_gradient
    def rectifier(x: Any) -> Any:
        (_, y), slope = value_and_gradient(plain, x)

        def back(*gradients: Any, upstream: Any = None) -> Any:
            positive = ops.relu(gradients[0] if upstream is None else upstream)
            # The activation's own slope, not 1[x > 0]: a ReLU with a ceiling lets nothing through above it.
            return positive if rule == "deconvnet" else positive * slope

        return y, back

    return rectifier


class RectifiedNetwork:
    """A network whose ReLUs pass gradients back by another rule: the same numbers forward. The given one stays as it is.

    Reached are `ReLU` layers, `Activation("relu")`, `activation="relu"` inside other layers, `keras.ops.relu` and the like,
    also in nested models: the graph is unrolled and run call by call. A ReLU with a ceiling (ReLU6) passes nothing above it. What
    passes something below zero has no side that is shut: of leaky ReLU, PReLU, ELU, SiLU, hard-swish and GELU the gradient stays
    the plain one, and a network of such alone has the plain gradient (`patched` is 0, and `said` tells it).

    Args:
        network: functional network.
        rule: "guided" or "deconvnet".

    Attributes:
        patched: number of ReLUs that follow the rule.
        others: how often which activation of another kind keeps its own gradient.
        variables: the weights that it reads.

    Raises:
        UserError: a layer of a class of its own hides ReLUs: the result would silently be the plain gradient there.
    """

    def __init__(self, network: keras.Model, rule: str) -> None:
        if rule not in RULES:
            raise ValueError(f"rule '{rule}' is none of {', '.join(RULES)}")
        unrolled = flatten(network)
        # Where the ReLU is part of a layer, a copy of that layer without it; the ReLU then follows.
        self._inner = {node.operation.name: node.operation.activation for node in _nodes(unrolled) if _has_inner(node)}
        self._graph = flatten(unrolled, linear=lambda node: node.operation.name in self._inner)
        hidden = [node.operation.name for node in _nodes(self._graph) if _hides_relu(node.operation)]
        if hidden:
            raise UserError(
                f"model '{network.name}': layer '{hidden[0]}' hides a ReLU inside that {rule} gradients cannot reach; "
                "build it of plain layers, or use saliency"
            )
        self._rule = rule
        self.variables = self._graph.variables
        self.patched = sum(1 for node in _nodes(self._graph) if self._activation_of(node) is not None)
        self.others = Counter(filter(None, map(other_rectifier, (*_nodes(self._graph),))))

    def said(self) -> str:
        """One line on what the rule reaches: "guided: 49 ReLUs", "guided: no ReLU (gelu: 12), so the plain gradient"."""
        kept = ", ".join(f"{name}: {count}" for name, count in sorted(self.others.items()))
        if not self.patched:
            return f"{self._rule}: no ReLU{f' ({kept})' if kept else ''}, so this is the plain gradient"
        ends = f"; {kept} keep their own gradient" if kept else ""
        return f"{self._rule}: {self.patched} ReLU{'s' if self.patched > 1 else ''}{ends}"

    def _activation_of(self, node: Any) -> Callable[[Any], Any] | None:
        if node.operation.name in self._inner:
            return self._inner[node.operation.name]  # type: ignore[no-any-return]
        if is_relu(node.operation):
            return node.operation  # type: ignore[no-any-return]
        return ops.relu if is_relu_call(node) else None

    def __call__(self, images: Any) -> Any:
        """The network's output in inference mode, (N, H, W, C) tensor -> (N, units) tensor."""
        values = {id(self._graph.inputs[0]): images}
        for node in _nodes(self._graph):
            args, kwargs = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs = {**kwargs, "training": False}
            activation = self._activation_of(node)
            if activation is None or node.operation.name in self._inner:
                with inside_a_network():
                    outputs = tree.flatten(node.operation(*args, **kwargs))
            else:
                outputs = [values[id(node.input_tensors[0])]]
            if activation is not None:
                with inside_a_network():
                    outputs = [rectified(activation, self._rule)(outputs[0])]
            values.update(zip(map(id, node.outputs), outputs, strict=True))
        return values[id(self._graph.outputs[0])]


def _nodes(graph: Any) -> list[Any]:
    return list(nodes_in_order(graph))


def _has_inner(node: Any) -> bool:
    recurrent = isinstance(node.operation, keras.layers.RNN)
    return is_relu(getattr(node.operation, "activation", None)) and not recurrent


def _hides_relu(operation: Any) -> bool:
    if not isinstance(operation, keras.Layer):
        return False
    inside = list(operation._flatten_layers(include_self=isinstance(operation, keras.layers.RNN)))
    return any(has_relu(layer) for layer in inside if layer is not getattr(operation, "activation", None))


class RectifiedGradient:
    """Guided backprop or the deconvnet's projection: (N, H, W, C), signed colours; its heat is the largest of a pixel.

    Args:
        network: model space -> logits.
        spec: its classes and head.
        rule: "guided" or "deconvnet" (see `rectified`).

    Attributes:
        patched: number of ReLUs that follow the rule, also the fact `patched_relus` (N,); 0: the map is the plain gradient.
        said: what the rule reaches, in one line for the log.
    """

    signed = False

    def __init__(self, network: keras.Model, spec: ModelSpec, rule: str) -> None:
        self.name = "guided_backprop" if rule == "guided" else rule
        self._network, self._spec = RectifiedNetwork(network, rule), spec
        self.patched, self.said = self._network.patched, self._network.said()
        self._gradient = compiled(self._differentiate, variables=self._network.variables)

    def _differentiate(self, images: Any, targets: Any) -> Any:
        def score(images: Any) -> Any:
            return ops.sum(pick(columns(self._network(images), self._spec), targets)), ()

        return value_and_gradient(score, images)[1]

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        images, targets = ops.convert_to_tensor(images, "float32"), ops.convert_to_tensor(targets, "int32")
        maps = to_numpy(self._gradient(images, targets))
        return Attribution(maps, {"patched_relus": np.full(len(images), self.patched, np.int64)})


class GradCam:
    """Grad-CAM drawn up to the image's size, an explainer beside the others (1610.02391): (N, H, W), >= 0.

    Args:
        network: model space -> logits.
        spec: its classes and head.
        layer: the layer whose feature maps carry it; None: the last.
    """

    name, signed = "gradcam", False

    def __init__(self, network: keras.Model, spec: ModelSpec, layer: str | None = None) -> None:
        spec.require_classes()
        self._spec, self.layer = spec, layer or default_cam_layer(network, spec.input_size)
        self._head, self._tail = split_at(network, self.layer)
        self._cam = compiled(self._map, variables=network.variables)

    def _map(self, images: Any, targets: Any) -> Any:
        maps, *side = self._head(images)

        def score(maps: Any) -> Any:
            return ops.sum(pick(columns(self._tail(maps, *side), self._spec), targets)), ()

        return grad_cam(maps, value_and_gradient(score, maps)[1])

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        given = ops.convert_to_tensor(images, "float32"), ops.convert_to_tensor(targets, "int32")
        drawn = [upsample(each, images.shape[1:3]) for each in to_numpy(self._cam(*given))]
        return Attribution(np.stack(drawn) if drawn else np.zeros(images.shape[:3], np.float32))


class GuidedGradCam:
    """Guided backprop times Grad-CAM at the image's size (1610.02391): (N, H, W, C).

    Args:
        network: model space -> logits.
        spec: its classes and head.
        layer: the layer whose feature maps carry Grad-CAM; None: the last.
    """

    name, signed = "guided_gradcam", False

    def __init__(self, network: keras.Model, spec: ModelSpec, layer: str | None = None) -> None:
        self._cam, self._guided = GradCam(network, spec, layer), RectifiedGradient(network, spec, "guided")
        self.layer, self.patched, self.said = self._cam.layer, self._guided.patched, self._guided.said

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        guided = self._guided(images, targets, keys)
        return Attribution(guided.maps * self._cam(images, targets, keys).maps[..., None], guided.facts)
