"""One picture in, one answer out: which of a network's inputs and outputs are meant, and what the other inputs are fixed at."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from convscope.backends.memory import out_of_memory
from convscope.backends.running import REFUSALS
from convscope.errors import UserError, said_by_keras
from convscope.models.comparison import close, own_call, trial_pictures
from convscope.models.end_choice import chosen_output, in_words, picture_input, picture_shape, told_apart
from convscope.models.nodes import graph_of, nodes_in_order


def with_one_end(
    model: keras.Model, inputs: Mapping[str, Any] | None = None, output: str | int | None = None, where: str = "model"
) -> keras.Model:
    """A network of one picture and one answer made of one that has more of either; its layers are shared.

    Args:
        model: a functional or sequential network; it stays as it is.
        inputs: what every input but the picture is fixed at, by its name: a number for all of it, or a list of its shape. They become
            constants of the graph, the same for every picture.
        output: the name of the output meant, its key where the network answers a dictionary, or its place, from 0.
        where: what to name in messages, "models.net".

    Returns:
        The model itself where it has one input and one output.

    Raises:
        UserError: there are several and it is not said which, a name that is none, values of another shape, no picture among the
            inputs, or a class that does more than its graph says.
    """
    graph = graph_of(model)
    if graph is None:
        return model  # what is wrong with it is said by who unrolls it
    _require_channels_last(model, where)
    given, names = dict(inputs or {}), _names(model, graph.inputs, "_inputs_struct")
    answers = _names(model, graph.outputs, "_outputs_struct")
    picture = picture_input(names, [tensor.shape[1:] for tensor in graph.inputs], given, where)
    chosen = chosen_output(answers, [tensor.shape[1:] for tensor in graph.outputs], output, where)
    if len(graph.inputs) == len(graph.outputs) == 1:
        return model
    source = graph.inputs[picture]
    image = keras.Input(source.shape[1:], dtype=source.dtype, name=names[picture])
    values = {
        names[index]: _constant(given[names[index]], tensor, f"{where}.inputs.{names[index]}")
        for index, tensor in enumerate(graph.inputs)
        if index != picture
    }
    tensors = [
        image if index == picture else _as_tensor(values[name], graph.inputs[index], image, name)
        for index, name in enumerate(names)
    ]
    found = _run(graph, tensors)[chosen]
    result = keras.Model(image, found, name=model.name)
    _check(model, result, [values.get(name) for name in names], picture, chosen)
    return result


def from_pictures(model: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
    """A network of pictures made of one whose input has no axis for channels, or is of pixels in a row (see `picture_shape`).

    Args:
        model: of one input and one output; its layers are shared.
        settings: the model's part of the study's config.

    Returns:
        The model itself where it takes pictures, or where the config does not say that it does.
    """
    graph = graph_of(model)
    if graph is None or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return model
    source = graph.inputs[0]
    shape = picture_shape(tuple(source.shape[1:]), settings)
    if shape is None:
        return model
    image = keras.Input(shape, dtype=source.dtype, name=source.name)
    pixels = keras.layers.Reshape(source.shape[1:], dtype=source.dtype, name="pixels_of_picture")(image)
    return keras.Model(image, model(pixels), name=model.name)


def _require_channels_last(model: keras.Model, where: str) -> None:
    for layer in model._flatten_layers():
        if getattr(layer, "data_format", None) == "channels_first":
            raise UserError(
                f"{where}: layer '{layer.name}' takes colours first (data_format='channels_first'); build the "
                "network again with data_format='channels_last' and give it the same weights"
            )


def _names(model: keras.Model, tensors: list[Any], structure: str) -> list[str]:
    """The names of a network's inputs or outputs: the keys of a dictionary, else those of the layers that make them."""
    struct = getattr(model, structure, None)
    if isinstance(struct, dict) and len(struct) == len(tensors):
        return [str(key) for key in tree.flatten({key: key for key in struct})]  # in the order of the tensors
    return told_apart([str(tensor._keras_history.operation.name) for tensor in tensors])


def _constant(value: Any, tensor: Any, where: str) -> np.ndarray:
    """The value of a fixed input, of the shape of one picture's."""
    shape = tuple(tensor.shape[1:])
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{where}: a number or a list of numbers is wanted, {in_words(shape)} of them") from None
    if "float" not in str(tensor.dtype) and not np.array_equal(array, np.rint(array)):
        raise UserError(f"{where}: the input takes whole numbers ({tensor.dtype})")
    if array.ndim == 0:
        if len(shape) == 3 and shape[2] is not None and shape[:2] == (None, None):
            return np.full((1, 1, shape[2]), array)  # of a mask or the like, spread over the picture's size
        if None in shape:
            raise UserError(f"{where}: the input takes {in_words(shape)} numbers; give a list that says how many")
        array = np.full(shape, array)
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits or not np.isfinite(array).all():
        raise UserError(
            f"{where}: a number, or a list of {in_words(shape)} numbers is wanted; this one is {array.shape}"
        )
    return array


def _as_tensor(value: np.ndarray, tensor: Any, image: Any, name: str) -> Any:
    """A constant as a tensor of the graph, once for each picture of a batch; no gradient passes from it to the picture."""
    everywhere = value.ndim == 3 and tuple(tensor.shape[1:3]) == (None, None)
    read = ops.mean(image, axis=-1 if everywhere else (1, 2, 3), keepdims=everywhere)
    zero = _called(ops.zeros_like(_called(read, f"{name}_batch")), f"{name}_zeros")
    spread = zero if everywhere else _called(ops.reshape(zero, (-1, *(1,) * value.ndim)), f"{name}_shape")
    whole = _called(ops.add(spread, value.astype(np.float32)), f"{name}_fixed")
    return whole if whole.dtype == tensor.dtype else _called(ops.cast(whole, tensor.dtype), f"{name}_cast")


def _called(tensor: Any, name: str) -> Any:
    # Keras counts the names of operations up over the life of the process; a result's identity has them in it.
    tensor._keras_history.operation.name = name
    return tensor


def _run(graph: Any, tensors: list[Any]) -> list[Any]:
    values = dict(zip(map(id, graph.inputs), tensors, strict=True))
    for node in nodes_in_order(graph):
        args, kwargs = node.arguments.fill_in(values)
        values.update(zip(map(id, node.outputs), tree.flatten(node.operation(*args, **kwargs)), strict=True))
    return [values[id(tensor)] for tensor in graph.outputs]


def _check(model: keras.Model, result: keras.Model, values: list[Any], picture: int, chosen: int) -> None:
    """The network itself, called with the fixed inputs, answers what its graph says."""
    inputs = graph_of(model).inputs  # type: ignore[union-attr]
    maps = [value.shape[:2] for value in values if value is not None and value.ndim == 3 and value.shape[:2] != (1, 1)]
    pixels = next(iter(trial_pictures(result.inputs[0].shape[1:], size=maps[0] if maps else None)))
    flat = []
    for index, (value, tensor) in enumerate(zip(values, inputs, strict=True)):
        one = pixels if index == picture else value[None].astype(np.float32)
        if tuple(tensor.shape[1:3]) == (None, None):
            one = np.broadcast_to(one, (1, *pixels.shape[1:3], one.shape[-1]))
        flat.append(ops.cast(one, tensor.dtype))
    given = tree.pack_sequence_as(model._inputs_struct, flat)
    try:
        expected = tree.flatten(model(given, training=False))
    except REFUSALS as error:
        if out_of_memory(error):
            raise
        raise UserError(
            f"model '{model.name}' does not take what its inputs are fixed at ({said_by_keras(error)}); give values as it was trained "
            "with"
        ) from error
    if len(expected) <= chosen or not close(expected[chosen], result(flat[picture], training=False), half=False):
        raise UserError(
            f"model '{model.name}': its graph of layers does not compute what calling it does (class {own_call(model)}); "
            "rebuild it with keras.Model(inputs, outputs) and save that"
        )
