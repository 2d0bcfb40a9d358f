"""Weights of files of Keras 1 and 2, put into the layers of Keras 3 that `keras2_build` made.

Files keep them in three ways: HDF5 of Keras 1 and 2 has, for each layer of the outermost network, one list of all arrays within;
the zips of Keras 2.12 and later have a group for each layer at its place; checkpoints of TensorFlow, within SavedModels, a graph of
objects.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from convscope.errors import UserError
from convscope.models.keras2 import NETWORKS
from convscope.models.keras2_build import Part

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies", "layer_checkpoint_dependencies", "_self_tracked_trackables")
# State of random numbers, and of statistics that only training reads.
_NOT_READ = re.compile(r"(.*/)?(StateVar|seed_generator_state|renorm_\w+)(:\d+)?")

Array = npt.NDArray[Any]


def load_hdf5(opened: Any, root: Part, version: str | None) -> None:
    """Fill the layers from an HDF5 file of Keras 1 or 2.

    Raises:
        UserError: arrays are missing, or are of other shapes than the layers.
    """
    group = opened.get("model_weights", opened)
    first = version is None or version.startswith("1")
    backend = _text(group.attrs.get("backend", opened.attrs.get("backend", "tensorflow")))
    names = [name for name in _names(group, "layer_names") if _names(group[name], "weight_names")]
    parts = [
        part for part in root.parts if any(leaf.layer is not None and leaf.layer.weights for leaf in part.leaves())
    ]
    by_name = {part.name for part in parts} <= set(names)
    if not by_name and len(names) != len(parts):
        raise UserError(f"it holds the weights of {len(names)} layers, but its network has {len(parts)} with weights")
    for place, part in enumerate(parts):
        stored = group[part.name if by_name else names[place]]
        kept = [(name, stored[name]) for name in _names(stored, "weight_names") if not _NOT_READ.fullmatch(name)]
        _fill(part, kept, first, backend)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _names(group: Any, key: str) -> list[str]:
    """A list of names in the attributes of a group; a long one stands in several."""
    if key in group.attrs:
        return list(map(_text, group.attrs[key]))
    result: list[str] = []
    while f"{key}{(number := len([part for part in group.attrs if re.fullmatch(rf'{key}[0-9]+', part)]))}" and number:
        for place in range(number):
            result += map(_text, group.attrs[f"{key}{place}"])
        break
    return result


def _fill(part: Part, kept: list[tuple[str, Any]], first: bool, backend: str) -> None:
    """Set all weights within a layer or nested network from a list of (name, dataset)."""
    slots = [(leaf, variable) for leaf in part.leaves() if leaf.layer is not None for variable in leaf.layer.weights]
    if len(kept) != len(slots):
        raise UserError(
            f"layer '{part.name}' has {len(slots)} arrays of weights, but the file holds {len(kept)} for it"
        )
    for order in _orders(part, slots, [name for name, _ in kept]):
        found = [_as_wanted(dataset, *slot, first, backend) for (_, dataset), slot in zip(kept, order, strict=True)]
        if all(value is not None for value in found):
            for (_, variable), value in zip(order, found, strict=True):
                variable.assign(value)
            _finish(part)
            return
    shapes = ", ".join(f"{name} {tuple(dataset.shape)}" for name, dataset in kept[:3])
    wanted = ", ".join(f"{variable.name} {tuple(variable.shape)}" for _, variable in slots[:3])
    raise UserError(f"layer '{part.name}': its weights ({shapes}) are not of the shapes of its network ({wanted})")


def _finish(part: Part) -> None:
    for leaf in part.leaves():
        if hasattr(leaf.layer, "finalize_state"):
            leaf.layer.finalize_state()


Slot = tuple[Part, Any]


def _orders(part: Part, slots: list[Slot], names: list[str]) -> Iterator[list[Slot]]:
    """The orders that the arrays of a layer or network may stand in, the surest first.

    By their names where these tell it, as Keras 2 lists them (all that training changes, then the rest), and layer by layer.
    """
    by_name = [
        [
            slot
            for slot in slots
            if re.fullmatch(rf"(.*/)?{re.escape(slot[0].name)}/({'|'.join(_called(*slot))})(:\d+)?", name)
        ]
        for name in names
    ]
    if all(len(found) == 1 for found in by_name) and len({id(found[0][1]) for found in by_name}) == len(slots):
        yield [found[0] for found in by_name]
    for as_written in (True, False):
        changed, rest = _listed(part, as_written)
        yield changed + rest
    yield slots


def _called(leaf: Part, variable: Any) -> list[str]:
    """What Keras 2 may call a variable of a layer."""
    depthwise = leaf.config["class_name"] == "DepthwiseConv2D" and variable.name == "kernel"
    return [variable.name, f"adapt_{variable.name}", *(["depthwise_kernel"] if depthwise else [])]


def _listed(part: Part, as_written: bool) -> tuple[list[Slot], list[Slot]]:
    """The weights within that training changes, and the others, each in Keras 2's order.

    Args:
        part: layer or network.
        as_written: whether layers that the file calls frozen count so.
    """
    if part.config["class_name"] in NETWORKS:
        found = [_listed(inner, as_written) for inner in part.parts]
        changed, rest = [slot for one, _ in found for slot in one], [slot for _, one in found for slot in one]
    else:
        weights = [] if part.layer is None else part.layer.weights
        changed = [(part, variable) for variable in weights if variable.trainable]
        rest = [(part, variable) for variable in weights if not variable.trainable]
    return ([], changed + rest) if as_written and not part.trainable else (changed, rest)


def _as_wanted(dataset: Any, leaf: Part, variable: Any, first: bool, backend: str) -> Array | None:
    """An array as the layer wants it; None where it is of another shape."""
    wanted, shape = tuple(variable.shape), tuple(dataset.shape)
    kind = leaf.config["class_name"]
    convolution = kind in ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose") and variable.name == "kernel"
    if shape == wanted:
        value = np.asarray(dataset)
        if convolution and backend == "theano":
            # Theano turned kernels round.
            value = value[tuple([slice(None, None, -1)] * (len(shape) - 2))]
        return value
    if convolution and len(shape) == 4:
        for axes in ((2, 3, 1, 0), (3, 2, 0, 1), *(((0, 1, 3, 2), (2, 3, 0, 1)) if kind == "Conv2DTranspose" else ())):
            if first and tuple(shape[axis] for axis in axes) == wanted:
                value = np.transpose(np.asarray(dataset), axes)
                return value[::-1, ::-1] if backend == "theano" else value
    # A lone number is of shape () in one age and (1,) in another.
    if int(np.prod(shape)) == int(np.prod(wanted)) == 1:
        return np.asarray(dataset).reshape(wanted)
    return None


def load_zip(opened: Any, root: Part) -> None:
    """Fill the layers from the `model.weights.h5` of a `.keras` file of Keras 2.12 to 2.15.

    Raises:
        UserError: arrays are missing, or are of other shapes than the layers.
    """
    if root.config["class_name"] in NETWORKS:
        groups = {name: opened[name] for name in _CONTAINERS if name in opened}
        for part, name in _ranked(root.parts, groups):
            load_zip(groups[name[0]][name[1]], part)
    elif root.layer is not None and root.layer.weights:
        _load_group(opened, root.layer, root.name)
        _finish(root)


def _ranked(parts: list[Part], groups: Mapping[str, Any]) -> Iterator[tuple[Part, tuple[str, str]]]:
    """Each layer with its group: layers of a class are counted, whatever the numbers are."""
    for kind in dict.fromkeys(_snake(part) for part in parts):
        same = [part for part in parts if _snake(part) == kind]
        for container, group in groups.items():
            found = sorted(
                (int(match[1] or 0), name)
                for name in group
                if (match := re.fullmatch(rf"{re.escape(kind)}(?:_(\d+))?", name))
            )
            if len(found) == len(same):
                yield from ((part, (container, name)) for part, (_, name) in zip(same, found, strict=True))
                break
        else:
            if any(leaf.layer is not None and leaf.layer.weights for part in same for leaf in part.leaves()):
                raise UserError(f"it does not hold the weights of its {len(same)} layers of the class {kind}")


def _snake(part: Part) -> str:
    name = str(part.config.get("stored_class") or part.config["class_name"]).rpartition(">")[2]
    name = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _load_group(group: Any, layer: Any, name: str) -> None:
    """Fill a layer, and layers that it has inside, from its group."""
    own = [*layer._trainable_variables, *layer._non_trainable_variables]
    kept = group.get("vars", {})
    places = sorted((place for place in kept if place.isdigit()), key=int)
    if len(places) < len(own):
        raise UserError(f"layer '{name}' has {len(own)} arrays of weights, but the file holds {len(places)} for it")
    for variable, place in zip(own, places, strict=False):
        if tuple(kept[place].shape) != tuple(variable.shape):
            shapes = f"{tuple(kept[place].shape)} in the file and {tuple(variable.shape)} in the layer"
            raise UserError(f"layer '{name}': its {variable.name} is {shapes}")
        variable.assign(np.asarray(kept[place]))
    for attribute, inner in _inside(layer):
        if attribute in group:
            _load_group(group[attribute], inner, f"{name}/{attribute}")
        elif inner.weights:
            raise UserError(f"layer '{name}': the file holds no weights of its {attribute}")


def _inside(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers that a layer keeps as attributes."""
    inner = {id(part) for part in getattr(layer, "_layers", [])}
    for attribute, value in sorted(vars(layer).items()):
        if id(value) in inner:
            inner.discard(id(value))
            yield attribute, value


def load_checkpoint(prefix: str, root: Part) -> None:
    """Fill the layers from the checkpoint of a SavedModel (`variables/variables`), reading arrays alone.

    Raises:
        UserError: it is damaged, or arrays are missing or of other shapes than the layers.
    """
    import tensorflow as tf
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    try:
        reader = tf.train.load_checkpoint(prefix)
        shapes = reader.get_variable_to_shape_map()
        graph = TrackableObjectGraph.FromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
    except Exception as error:
        raise UserError(f"its variables cannot be read ({(str(error).splitlines() or ['damaged'])[0][:100]})") from None
    nodes = [{child.local_name: child.node_id for child in node.children} for node in graph.nodes]

    def value_of(number: int, variable: Any, name: str) -> Array:
        keys = [
            attribute.checkpoint_key
            for attribute in graph.nodes[number].attributes
            if attribute.name == "VARIABLE_VALUE"
        ]
        if not keys or keys[0] not in shapes or tuple(shapes[keys[0]]) != tuple(variable.shape):
            raise UserError(f"layer '{name}': the folder holds no {variable.name} of the shape {tuple(variable.shape)}")
        return cast(Array, reader.get_tensor(keys[0]))

    def fill(part: Part, layer: Any, number: int, name: str) -> None:
        inner = {id(variable) for _, held in _inside(layer) for variable in held.weights}
        for variable in layer.weights:
            if id(variable) not in inner:
                attribute = next((key for key in _called(part, variable) if key in nodes[number]), None)
                if attribute is None:
                    raise UserError(f"layer '{name}': the folder holds no {variable.name} for it")
                variable.assign(value_of(nodes[number][attribute], variable, name))
        for attribute, held in _inside(layer):
            if attribute in nodes[number]:
                fill(part, held, nodes[number][attribute], f"{name}/{attribute}")
            elif held.weights:
                raise UserError(f"layer '{name}': the folder holds no weights of its {attribute}")

    def walk(part: Part, number: int) -> None:
        if part.config["class_name"] not in NETWORKS:
            if part.layer is not None and part.layer.weights:
                fill(part, part.layer, number, part.name)
                _finish(part)
            return
        for place, inner in enumerate(part.parts):
            if f"layer-{place}" not in nodes[number]:
                if any(leaf.layer is not None and leaf.layer.weights for leaf in inner.leaves()):
                    raise UserError(f"layer '{inner.name}': the folder holds no weights for it")
                continue
            walk(inner, nodes[number][f"layer-{place}"])

    walk(root, 0)
