"""Networks of Keras 1 and 2, built anew of Keras 3's layers from their config."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from keras.src.saving.serialization_lib import SafeModeScope

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError, said_by_keras
from convscope.models.keras2 import NETWORKS, OLD_HARD_SIGMOID, OPERATIONS, is_reference, modern
from convscope.models.keras2_operations import operate, operate_on_constants
from convscope.models.safe import Own, own_class

# Layers of keras.applications that are no layers of Keras's at large, the same in Keras 2.
_OF_APPLICATIONS = {kind.__name__: kind for kind in (CustomScaleLayer, LayerScale, StochasticDepth)}


@dataclasses.dataclass
class Part:
    """A layer or network of an old file and what it became.

    Attributes:
        name: what the file calls it.
        config: as `keras2.modern` gives it.
        layer: the layer, or the model that a nested network became.
        parts: the layers of a network, in the order of the file.
    """

    name: str
    config: Mapping[str, Any]
    layer: Any
    parts: list["Part"] = dataclasses.field(default_factory=list)

    @property
    def trainable(self) -> bool:
        """Whether training changed it: files keep the weights of those first."""
        return bool(self.config.get("config", {}).get("trainable", True))

    def leaves(self) -> Iterator["Part"]:
        """The layers within, in the order of the file."""
        if self.config["class_name"] not in NETWORKS:
            yield self
        for part in self.parts:
            yield from part.leaves()


def build(config: Mapping[str, Any], own: Own, shape: tuple[int | None, ...] | None = None) -> tuple[keras.Model, Part]:
    """The network of a config of Keras 1 or 2, with new weights.

    Args:
        config: as in the file.
        own: the user's classes, by name.
        shape: (height, width, channels) of a picture, for networks that do not say it.

    Returns:
        A functional network in float32, and its parts.

    Raises:
        UserError: it holds what Keras 3 has no counterpart for, or code.
    """
    entry = modern(_marked(config, own))
    # Layers of Keras's may name files to read.
    with SafeModeScope(True):
        part = _Builder(own, shape).network(entry)
    return part.layer, part


def _marked(value: Any, own: Own) -> Any:
    """The config with the user's own layers marked: their settings are theirs."""
    if isinstance(value, Mapping):
        result = {key: _marked(part, own) for key, part in value.items()}
        if own_class(value, own) is not None:
            result["_own"] = True
        return result
    return [_marked(part, own) for part in value] if isinstance(value, list | tuple) else value


class _Builder:
    def __init__(self, own: Own, shape: tuple[int | None, ...] | None) -> None:
        self.own = own
        self.shape = shape

    def network(self, entry: Mapping[str, Any], given: Any = None) -> Part:
        """A network and its parts; a Sequential that does not say its input takes the shape of `given`."""
        config = entry.get("config")
        if entry.get("class_name") not in NETWORKS or not isinstance(config, Mapping) or "layers" not in config:
            raise UserError(
                f"it is a network of the class {entry.get('class_name')}, which the file does not bring; name the file of that class "
                "(code: my_layers.py)"
            )
        part = Part(str(entry.get("stored_name") or ""), entry, None)
        made = self._functional(config, part) if "input_layers" in config else self._sequential(config, part, given)
        part.layer = keras.Model(*made, name=config.get("name") or None)
        return part

    def _sequential(self, config: Mapping[str, Any], part: Part, given: Any) -> tuple[Any, Any]:
        entries = list(config["layers"])
        shape, dtype = _first_shape(config) or (list(given.shape) if given is not None else None), "float32"
        if entries and entries[0]["class_name"] == "InputLayer":
            first = entries.pop(0)["config"]
            shape, dtype = first["batch_shape"] or shape, first.get("dtype") or dtype
        if shape is None and self.shape is not None:
            shape = [None, *self.shape]
        if shape is None:
            raise UserError("it does not say what size of pictures it takes; set image_size: [height, width]")
        image = keras.Input(batch_shape=(None, *shape[1:]), dtype=_float32(dtype))
        x = image
        for entry in entries:
            inner = self.part(entry, x)
            part.parts.append(inner)
            x = self.call(inner, [x], {})
        return image, x

    def _functional(self, config: Mapping[str, Any], part: Part) -> tuple[Any, Any]:
        entries = {entry["config"]["name"]: entry for entry in config["layers"]}
        tensors: dict[tuple[str, int, int], Any] = {}
        parts: dict[str, Part] = {}
        waiting: list[tuple[str, int, list[Any]]] = []
        for name, entry in entries.items():
            if entry["class_name"] == "InputLayer":
                settings = entry["config"]
                shape, dtype = settings["batch_shape"], _float32(settings.get("dtype") or "float32")
                tensors[name, 0, 0] = keras.Input(batch_shape=(None, *shape[1:]), dtype=dtype, name=name)
                parts[name] = Part(str(entry.get("stored_name")), entry, None)
            else:
                nodes = entry.get("inbound_nodes") or []
                waiting += [(name, number, node) for number, node in enumerate(nodes)]
        # A network that was made before it was called counts the call that made it.
        for name, entry in entries.items():
            calls = len(entry.get("inbound_nodes") or [])
            used = [number for other, number in _references(config, entries) if other == name]
            if entry["class_name"] in NETWORKS and calls and max(used, default=0) >= calls:
                waiting = [(other, number + (other == name), node) for other, number, node in waiting]
        while waiting:
            ready = [step for step in waiting if all(key in tensors for key in _keys(step[2], entries))]
            if not ready:
                raise UserError(
                    f"layer '{waiting[0][0]}' takes its input from a layer that is not there; the file is damaged"
                )
            for name, number, node in ready:
                outputs = self._step(entries[name], node, tensors, entries, parts)
                outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
                tensors.update({(name, number, place): tensor for place, tensor in enumerate(outputs)})
            waiting = [step for step in waiting if step not in ready]
        part.parts += [parts[name] for name in entries if name in parts]
        ends = [_structure(config[key], tensors, entries) for key in ("input_layers", "output_layers")]
        return tuple(end[0] if isinstance(end, list) and len(end) == 1 else end for end in ends)  # type: ignore[return-value]

    def _step(self, entry: Mapping[str, Any], node: Any, tensors: Any, names: Any, parts: dict[str, Part]) -> Any:
        """What a call of a layer gives."""
        name = entry["config"]["name"]
        many = not (node and isinstance(node[0], str))
        inputs = list(node if many else [node])
        kwargs = inputs[0][3] if inputs and len(inputs[0]) > 3 else {}
        values = [item[2] if item[0] == "_CONSTANT_VALUE" else tensors[tuple(item[:3])] for item in inputs]
        kwargs = {key: _structure(value, tensors, names) for key, value in kwargs.items()}
        if entry["class_name"] in OPERATIONS:
            parts.setdefault(name, Part(str(entry.get("stored_name")), entry, None))
            if entry["class_name"] == "TensorFlowOpLayer":
                return operate_on_constants(entry["config"], values)
            return operate(str(entry["config"].get("function")), [values] if many else values, kwargs, name)
        if name not in parts:
            parts[name] = self.part(entry, values[0])
        return self.call(parts[name], values, kwargs)

    def part(self, entry: Mapping[str, Any], given: Any) -> Part:
        """A layer, or a nested network."""
        if entry.get("class_name") in NETWORKS:
            return self.network(entry, given)
        return Part(str(entry.get("stored_name") or ""), entry, self._layer(entry, given))

    def call(self, part: Part, values: list[Any], kwargs: Mapping[str, Any]) -> Any:
        """The output of a layer or nested network."""
        known = {key: value for key, value in kwargs.items() if value is not None and key not in ("training", "mask")}
        attends = part.config.get("class_name") == "MultiHeadAttention" and known.keys() <= {"value", "key"}
        if known and not attends and not part.config.get("_own"):
            raise UserError(
                f"layer '{part.name}' is called with {', '.join(known)}, which is not understood; save the model in Keras 3"
            )
        try:
            result = part.layer(values[0] if len(values) == 1 else values, **known)
        except (ValueError, TypeError) as error:
            if part.config.get("class_name") in NETWORKS:
                raise
            raise UserError(f"layer '{part.name}' ({part.config['class_name']}): {first_line(error)}") from None
        if part.config["config"].get("activation") == OLD_HARD_SIGMOID and not part.config.get("_own"):
            name = part.layer.name
            scaled = keras.layers.Rescaling(0.2, 0.5, name=f"{name}_scaled")(result)
            return keras.layers.ReLU(max_value=1.0, name=f"{name}_hard_sigmoid")(scaled)
        return result

    def _layer(self, entry: Mapping[str, Any], given: Any) -> Any:
        kind, config = entry["class_name"], dict(entry["config"])
        if (mine := own_class({**entry, "class_name": entry["class_name"]}, self.own)) is not None:
            config = (
                {"name": config["name"]}
                if kind == "Lambda"
                else {k: v for k, v in config.items() if k != "batch_input_shape"}
            )
            return _made(mine, config, kind)
        config.pop("batch_shape", None)
        turned = config.pop("channels_first", False)
        if turned and kind != "Flatten" and len(given.shape) == 4:
            config["axis"] = 2
        if turned and kind == "Flatten":
            name = config["name"]
            return keras.Sequential(
                [keras.layers.Permute((3, 1, 2), name=f"{name}_order"), keras.layers.Flatten(name=name)],
                name=f"{name}_2",
            )
        if config.get("activation") == OLD_HARD_SIGMOID:
            config["activation"] = "linear"
        if OLD_HARD_SIGMOID in (config.get("activation"), config.get("recurrent_activation")):
            raise UserError(
                f"layer '{entry.get('stored_name')}' uses the hard_sigmoid of Keras 2, which Keras 3 has not"
            )
        plain = kind.rpartition(">")[2]
        found = _OF_APPLICATIONS.get(plain) or (getattr(keras.layers, plain, None) if kind.isidentifier() else None)
        if found is None or not inspect.isclass(found):
            if kind.startswith("Random"):
                return keras.layers.Identity(name=config["name"])  # in training only
            raise UserError(
                f"layer '{entry.get('stored_name')}' is of the class {kind}, which Keras 3 has not; write it in a file of your own "
                "and name that (code: my_layers.py)"
            )
        if isinstance(config.get("layer"), Mapping):
            config["layer"] = self.part(config["layer"], None).layer
        parameters = inspect.signature(found.__init__).parameters
        passes_on = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        if not passes_on and "trainable" not in parameters:  # SpatialDropout2D
            config.pop("trainable", None)
        known = set(parameters) | {"name", "trainable"}
        for key in [key for key in config if key not in known]:
            if config[key] not in (None, False, "default"):
                raise UserError(
                    f"layer '{entry.get('stored_name')}' ({kind}) has the setting {key}, which Keras 3 has not"
                )
            del config[key]
        return _made(found, config, kind)


def _made(kind: Any, config: dict[str, Any], called: str) -> Any:
    try:
        if "layer" in config:
            return kind(**config)
        return kind.from_config(config)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"layer '{config.get('name')}' ({called}): {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """What an error says, in one line: the innermost where Keras wraps one in others."""
    lines = [line.strip() for line in str(error).split("Exception encountered:")[-1].splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if lines[0].startswith("Exception encountered when calling"):
        return said_by_keras(error)
    return f"{lines[0]} {lines[1]}"[:200] if lines[0].endswith(":") and lines[1:] else lines[0][:200]


def _float32(dtype: Any) -> Any:
    """The type of an input; pictures come as float32 whatever precision the file's network ran in."""
    return (
        "float32"
        if not isinstance(dtype, str) or dtype in ("float16", "float64", "bfloat16", "mixed_float16")
        else dtype
    )


def _first_shape(config: Mapping[str, Any]) -> list[Any] | None:
    """The input shape that a Sequential says: its first layer's, at any depth, or the one that it was built with."""
    layers = config.get("layers") or []
    if layers and isinstance(layers[0].get("config"), Mapping):
        inner = layers[0]["config"]
        shape = inner.get("batch_shape") or inner.get("batch_input_shape") or _first_shape(inner)
        if shape:
            return list(shape)
    shape = config.get("build_input_shape")
    return list(shape) if isinstance(shape, list) and shape and not isinstance(shape[0], list) else None


def _keys(node: Any, names: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """The tensors that a value mentions."""
    if is_reference(node, names):
        yield tuple(node[:3])
        yield from _keys(node[3:], names)
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _keys(part, names)
    elif isinstance(node, Mapping):
        for part in node.values():
            yield from _keys(part, names)


def _references(config: Mapping[str, Any], names: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for entry in config["layers"]:
        yield from (key[:2] for key in _keys(entry.get("inbound_nodes"), names))
    yield from (key[:2] for key in _keys(config["output_layers"], names))


def _structure(value: Any, tensors: Mapping[tuple[str, int, int], Any], names: Mapping[str, Any]) -> Any:
    """A value with tensors for what stands for them."""
    if is_reference(value, names):
        return tensors[tuple(value[:3])]  # type: ignore[index]
    if isinstance(value, list):
        return [_structure(part, tensors, names) for part in value]
    if isinstance(value, Mapping):
        return {key: _structure(part, tensors, names) for key, part in value.items()}
    return value
