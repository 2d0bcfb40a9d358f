"""What the library makes of a network, against what Keras itself makes of it."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.errors import UserError
from convscope.models import graphs, load, nodes
from convscope.models.axes import turned
from convscope.models.cam_layer import default_cam_layer
from convscope.models.folding import folded
from tests.fuzz.activation_checks import check_activations
from tests.fuzz.ascent_checks import check_ascent
from tests.fuzz.recipes import Recipe, build, final_activation
from tests.fuzz.rectifier_checks import check_rectifiers
from tests.fuzz.subject import Difference, Graph, NotValid, Subject, gradient_at, same, value_and_gradient


def check_flatten(subject: Subject) -> None:
    """Flat networks, sharing weights or with their own, answer as the nested one does."""
    for copy in (False, True):
        flat = graphs.flatten(subject.model, copy=copy)
        if not graphs.is_flat(flat):
            raise Difference("not flat")
        same(flat(subject.images, training=False), subject.expected, f"flatten(copy={copy})", 1e-6)
        before, after = (sum(w.shape.num_elements() or 1 for w in m.weights) for m in (subject.model, flat))
        if after > before:
            raise Difference(f"flatten(copy={copy}): {after} weights for {before}: no longer shared")


def check_canonical(subject: Subject) -> None:
    """Logits, no random layers, the activation that was taken off, also after saving, also at another size."""
    network, activation = subject.canonical()
    wanted = final_activation(subject.builder, subject.recipe.outputs[0])
    if activation != wanted:
        raise Difference(f"activation '{activation}' for '{wanted}'")
    logits = network(subject.images, training=False)
    answer = logits if activation == "linear" else getattr(keras.ops, activation)(logits)
    same(answer, subject.expected, "canonical")
    if any(type(layer).__name__ in ("Dropout", "GaussianNoise", "RandomFlip") for layer in network.layers):
        raise Difference("random layers are left")
    if int(subject.rng.integers(4)) == 0:
        with tempfile.TemporaryDirectory() as folder:
            load.save_model(network, Path(folder) / "m.keras")
            again = load.load_keras(Path(folder) / "m.keras")
        same(again(subject.images, training=False), logits, "saved and loaded", 1e-6)
    if network.inputs[0].shape[1] is None and subject.recipe.inputs[0][0] is not None:
        _check_other_size(subject, network, activation)


def _check_other_size(subject: Subject, network: keras.Model, activation: str) -> None:
    height, width, channels = subject.size[0] + 4, subject.size[1] + 3, subject.images.shape[-1]
    try:
        other = build(Recipe(((height, width, channels),), subject.recipe.steps, subject.recipe.outputs))
        images = subject.rng.normal(size=(1, height, width, channels)).astype("float32")
        expected = other(images, training=False)
        if [w.shape for w in other.weights] != [w.shape for w in subject.model.weights]:
            return
    except Exception:
        return
    logits = network(images, training=False)
    same(
        logits if activation == "linear" else getattr(keras.ops, activation)(logits),
        expected,
        "canonical, another size",
    )


def check_folding(subject: Subject) -> None:
    """Tensors of the network with its batch norms folded."""
    graph = subject.flat()
    tensors = [tensor for node in graph.nodes for tensor in node.outputs]
    for sources in ([graph.network.outputs[0]], subject.pick([tensors, subject.pick(tensors, 3)], 1)[0]):
        found = folded(graph.network, sources)(tf.constant(subject.images))
        for tensor, value in zip(sources, found, strict=True):
            same(value, graph.values[id(tensor)], f"folded, {tensor._keras_history.operation.name}")
    run = folded(graph.network, [graph.network.outputs[0]])
    same(value_and_gradient(lambda x: run(x)[0], subject.images)[1], subject.gradient, "gradient of the folded", 1e-3)


def check_split(subject: Subject) -> None:
    """Head and tail together are the network, and the tail's gradient is that of the whole."""
    graph = subject.flat()
    last = graph.last_calls()
    # Nested networks are opened on the way; most times it is done here once.
    network = subject.model if subject.rng.integers(4) == 0 else graph.network
    lying = turned(graph.network)
    maps_of = {name: node.outputs[0] for name, node in last.items() if _is_float_map(node.outputs[0])}
    names = subject.pick([name for name, tensor in maps_of.items() if id(tensor) not in lying], 1)
    answer = graph.network.outputs[0]
    try:
        # Of a network that answers with a map this is the last one, however it lies; nobody explains a class of it.
        names += [default_cam_layer(network)] if len(answer.shape) != 4 or id(answer) not in lying else []
    except UserError:
        if any(len(node.outputs[0].shape) == 4 for node in graph.nodes):
            _no_maps(graph)
    for name in names:
        head, tail = graphs.split_at(network, name)
        maps, *side = head(tf.constant(subject.images))
        # Tokens of nothing but places come on the picture's grid.
        shape = np.asarray(maps).shape
        same(maps, graph.values[id(graphs.tensor_of(graph.network, name))].reshape(shape), f"head at {name}", 1e-5)
        answer, gradient = value_and_gradient(lambda a, side=side, tail=tail: tail(a, *side), np.asarray(maps))
        same(answer, subject.expected, f"tail behind {name}", 1e-5)
        expected = gradient_at(graph, graphs.tensor_of(graph.network, name), subject.images)
        same(gradient, expected.reshape(shape), f"gradient at {name}", 1e-4)
        if name in last and graphs.node_of(graph.network, name) is not last[name]:
            raise Difference(f"'{name}' is not the last call")
    _check_last_map(graph)


def _is_float_map(tensor: Any) -> bool:
    return len(tensor.shape) == 4 and tensor.dtype == "float32"


def _no_maps(graph: Graph) -> None:
    """Nothing but maps of one place: then there is no class activation map."""
    made = [tensor for node in graph.nodes for tensor in node.input_tensors if tensor is not graph.network.inputs[0]]
    lying = turned(graph.network)
    places = [tensor.shape[1:3] for tensor in made if len(tensor.shape) == 4 and id(tensor) not in lying]
    if any(tuple(shape) != (1, 1) for shape in places):
        raise Difference("no feature maps found")


def _check_last_map(graph: Graph) -> None:
    """What is behind the layer of the class activation map is no feature map, but for one plain pooling."""
    try:
        found = graphs.tensor_of(graph.network, default_cam_layer(graph.network))
    except UserError:
        return
    if len(graph.network.outputs[0].shape) == 4:
        if found is not graph.network.outputs[0]:
            raise Difference("the last map is the network's answer")
        return
    if len(found.shape) == 3:
        return  # tokens, whose grid is proved by what moves (`models.tokens`)
    lying = turned(graph.network)
    taken = [t for n in graph.nodes for t in n.input_tensors if _leaves_maps(n, lying) and len(t.shape) == 4]
    before = [t for n in graph.nodes if any(n.outputs[0] is t for t in taken) for t in n.input_tensors]
    if not any(found is tensor for tensor in (*taken, *before)):
        raise Difference(f"'{nodes.address_of(graph.network, found)}' is not the last map")


def _leaves_maps(node: Any, lying: set[int]) -> bool:
    """Whether nothing that a call makes is a feature map; one that does not lie as the picture does is none."""
    upright = [tensor for tensor in node.outputs if len(tensor.shape) == 4 and id(tensor) not in lying]
    return not any(tuple(tensor.shape[1:3]) != (1, 1) for tensor in upright)


CHECKS: dict[str, Callable[[Subject], None]] = {
    "flatten": check_flatten,
    "canonical": check_canonical,
    "folding": check_folding,
    "split": check_split,
    "activations": check_activations,
    "rectifiers": check_rectifiers,
    "ascent": check_ascent,
}


def failures(recipe: Recipe, number: int, only: Iterator[str] | list[str] | None = None) -> dict[str, str]:
    """What differs: name of the check -> what was found. Empty where all is well.

    Raises:
        NotValid: Keras itself has no answer.
    """
    found = {}
    subject = Subject(recipe, number)
    for name in only or CHECKS:
        subject.rng = np.random.default_rng(number)
        try:
            CHECKS[name](subject)
        except NotValid:
            raise
        except Difference as difference:
            found[name] = str(difference)
        except Exception as error:
            lines = str(error).splitlines() or [""]
            # TensorFlow's reason stands at the end, behind the places of the graph.
            last = f" ... {lines[-1][-300:]}" if lines[1:] else ""
            found[name] = f"{type(error).__name__}: {lines[0][:300]}{last}"
    return found
