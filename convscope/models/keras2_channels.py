"""Networks of Keras 1 and 2 whose pictures had their channels first, as Theano wanted them, brought to channels last."""

from collections.abc import Iterator
from typing import Any

from convscope.errors import UserError

_FIRST = "channels_first"
# Layers whose setting `axis` counts the channels as 1; of rows without places the second is the last, too.
_WITH_AXIS = ("BatchNormalization", "Concatenate", "Softmax", "LayerNormalization", "GroupNormalization")
# Layers that mean a certain order of the axes.
_BY_ORDER = ("Reshape", "Permute", "RepeatVector", "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "Dot")


def channels_last(entry: dict[str, Any]) -> dict[str, Any]:
    """A network as `keras2.modern` gives it, in place, with channels last; kernels are kept alike in both orders since Keras 2.

    Raises:
        UserError: a layer depends on the order in a way that is not turned.
    """
    layers = list(_layers(entry))
    if not any(layer["config"].get("data_format") == _FIRST for layer in layers):
        return entry
    if any(
        layer["class_name"] in ("Conv2D", "MaxPooling2D") and layer["config"].get("data_format") != _FIRST
        for layer in layers
    ):
        raise UserError("some of its layers have channels first and others last; save it again with channels last")
    for layer in layers:
        kind, config = layer["class_name"], layer["config"]
        if kind in _BY_ORDER:
            raise UserError(
                f"its channels come first, and layer '{config.get('name')}' ({kind}) counts on that; save it again with channels last"
            )
        if kind == "Flatten":
            # Where the layer says that channels come first, Keras 2 flattens with them last; else all is taken as it lies.
            config["channels_first"] = config.pop("data_format", None) != _FIRST
        elif config.get("data_format") == _FIRST:
            config["data_format"] = "channels_last"
        if kind in _WITH_AXIS:
            # Of maps the last axis was their width; of rows, which only the graph tells, it is the last still.
            config["channels_first"] = config.get("axis", -1) in (-1, 3)
            config["axis"] = {1: -1, 2: 1}.get(config.get("axis", -1), -1)
        if kind == "PReLU" and config.get("shared_axes"):
            config["shared_axes"] = [{1: 3, 2: 1, 3: 2}.get(axis, axis) for axis in config["shared_axes"]]
        shape = config.get("batch_shape")
        if isinstance(shape, list) and len(shape) == 4:
            config["batch_shape"] = [shape[0], shape[2], shape[3], shape[1]]
    for network in _networks(entry):
        shape = network["config"].get("build_input_shape")
        if isinstance(shape, list) and len(shape) == 4:
            network["config"]["build_input_shape"] = [shape[0], shape[2], shape[3], shape[1]]
    return entry


def _networks(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(entry.get("config"), dict) and isinstance(entry["config"].get("layers"), list):
        yield entry
        for layer in entry["config"]["layers"]:
            if isinstance(layer, dict):
                yield from _networks(layer)


def _layers(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for network in _networks(entry):
        for layer in network["config"]["layers"]:
            if isinstance(layer, dict) and isinstance(layer.get("config"), dict) and "layers" not in layer["config"]:
                yield layer
