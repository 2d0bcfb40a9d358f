"""The ascent's trunk and its objective against Keras."""

from typing import Any

import numpy as np
import tensorflow as tf
from keras import tree

from convscope.filters.objectives import ChannelObjective, border_that_fits
from convscope.filters.trunk import Trunk
from convscope.models import graphs
from tests.fuzz.subject import Graph, NotValid, Subject, same, value_and_gradient, weights_like

_CONVOLUTIONS = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose")


def check_ascent(subject: Subject) -> None:
    """What a layer takes, and the mean response of one of its channels, with their gradients to the image."""
    graph = subject.logits()
    wanted = [
        node
        for node in graph.last_calls().values()
        if type(node.operation).__name__ in _CONVOLUTIONS
        and len(node.input_tensors) == 1
        and len(node.outputs[0].shape) == 4
    ]
    for node in subject.pick(wanted, 1):
        if subject.rng.integers(2) == 0:
            _check_trunk(graph, node, subject.images)
        else:
            _check_objective(graph, node, subject)


def _check_trunk(graph: Graph, node: Any, images: np.ndarray) -> None:
    name, source = node.operation.name, node.input_tensors[0]
    if source is graph.network.inputs[0]:
        return
    trunk = Trunk(graph.network, name)
    maps, backward = trunk.forward(tf.constant(images))
    same(maps, graph.values[id(source)], f"trunk below {name}")
    _, expected = value_and_gradient(lambda x: _run(graph, x)[id(source)], images)
    same(backward(tf.constant(weights_like(maps))), expected, f"gradient of the trunk below {name}", 1e-3)


def _check_objective(graph: Graph, node: Any, subject: Subject) -> None:
    side = min(subject.size)
    if subject.size != (side, side):
        if graph.network.inputs[0].shape[1] is not None:
            return
        try:
            graph = Graph(graph.network, subject.images[:, :side, :side])
        except Exception:  # too small for Keras itself
            return
        node = graph.last_calls()[node.operation.name]
    images, name = subject.images[:, :side, :side], node.operation.name
    maps = graph.value(node)
    if not maps.size:
        return
    channels = subject.rng.integers(0, maps.shape[-1], 2).astype(np.int32)
    border = int(subject.rng.integers(3))
    kept = min(border_that_fits(size, border) for size in maps.shape[1:3])
    objective = ChannelObjective(graph.network, name, border)
    for opened in subject.pick([False, True], 1):
        twin, target = graph, node
        if opened and objective.gated:
            # Before the layer's activation: the same network, where this call has none.
            twin = Graph(graphs.flatten(graph.network, linear=lambda other: other is node), images)
            target = _twin_of(graph, node, twin)

        def response(x: Any, twin: Graph = twin, target: Any = target) -> Any:
            made = _run(twin, x)[id(target.outputs[0])]
            inner = made[:, kept : made.shape[1] - kept, kept : made.shape[2] - kept]
            return tf.reduce_mean(tf.gather(inner, channels, axis=3, batch_dims=1), axis=(1, 2))

        try:
            expected, gradient = value_and_gradient(response, images, weighted=False)
        except tf.errors.OpError:  # TensorFlow has no gradient of it
            return
        found = objective.value_and_gradient(tf.constant(images), tf.constant(channels), tf.constant([opened] * 2))
        # The mean of responses of both signs: its rounding is that of the responses.
        size = float(np.abs(maps).mean()) + 1e-2
        same(np.asarray(found[0]) / size, expected / size, f"objective of {name}, opened {opened}", 1e-3)
        same(found[1], gradient, f"gradient of the objective of {name}, opened {opened}", 1e-3)


def _twin_of(graph: Graph, node: Any, twin: Graph) -> Any:
    index = next(i for i, other in enumerate(graph.nodes) if other is node)
    if len(twin.nodes) != len(graph.nodes):
        raise NotValid("the network without the activation has other calls")
    return twin.nodes[index]


def _run(graph: Graph, images: Any) -> dict[int, Any]:
    """Every tensor of the flat network by the id of it, as Keras's layers make it."""
    values = {id(graph.network.inputs[0]): images}
    for node in graph.nodes:
        args, kwargs = node.arguments.fill_in(values)
        if getattr(node.operation, "_call_has_training_arg", False):
            kwargs["training"] = False
        values.update(zip(map(id, node.outputs), tree.flatten(node.operation(*args, **kwargs)), strict=True))
    return values
