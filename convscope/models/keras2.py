"""Configs of Keras 1 and 2 brought to what Keras 3 builds: classes, settings and names. Nothing heavy here, and nothing is run.

What only matters in training (initialisers, regularisers, constraints, the kind of random numbers) is left out, so that none of an old
or unknown kind stands in the way.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from convscope.models.keras2_channels import channels_last

# A function that Keras 2 called so is another one in Keras 3: clip(0.2 x + 0.5, 0, 1) there, clip(x / 6 + 0.5, 0, 1) here.
OLD_HARD_SIGMOID = "hard_sigmoid of Keras 2"
NETWORKS = ("Functional", "Sequential")
OPERATIONS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")
_CLASSES = {
    "Model": "Functional",
    "Container": "Functional",
    "Graph": "Functional",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "AtrousConvolution2D": "Conv2D",
    "SeparableConvolution2D": "SeparableConv2D",
    "DepthwiseConvolution2D": "DepthwiseConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "MaxPool2D": "MaxPooling2D",
    "AvgPool2D": "AveragePooling2D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    # Of packages that many models were made with, and that do the same.
    "FixedDropout": "Dropout",
    "TransposedConv2D": "Conv2DTranspose",
}
_MERGES = {"sum": "Add", "mul": "Multiply", "concat": "Concatenate", "ave": "Average", "max": "Maximum"}
_RENAMED = {
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "dim_ordering": "data_format",
    "bias": "use_bias",
    "atrous_rate": "dilation_rate",
    "output_dim": "units",
    "batch_input_shape": "batch_shape",
}
_TRAINING_ONLY = re.compile(
    r"(.*_)?(initializer|regularizer|constraint|init)|[Wb]_(regularizer|constraint)|weights|fused|momentum|renorm_\w+|virtual_batch_size|"
    r"adjustment|input_dtype|input_dim|input_length|batch_input_shape|batch_shape|sparse|ragged|type_spec|experimental_autocast|autocast|"
    r"_\w*autocast\w*|(query|key|value)_shape|type|stateful|layer_config|learning_phase|synchronized|noise_dtype|rng_type|force_generator|"
    r"implementation"
)
_ACTIVATIONS = {
    "hard_sigmoid": OLD_HARD_SIGMOID,
    "swish": "silu",
    "swish_activation": "silu",
    "softmax_v2": "softmax",
    "relu_6": "relu6",
}
# What TensorFlow and Keras take as a name within a network.
_ODD = re.compile(r"[^A-Za-z0-9_.\-]")


def is_old(version: str | None) -> bool:
    """Whether a version that a file names, or its lack, is Keras's of 1 or 2."""
    return version is None or version.strip().split(".")[0] in ("", "0", "1", "2")


def modern(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A layer or network of a config of Keras 1 or 2, as Keras 3 calls and sets it.

    Args:
        entry: with `class_name` and `config`, as in the file; of networks with all that they hold.

    Raises:
        UserError: its channels come first, and it counts on that in a way that is not turned.

    Returns:
        Another mapping of that form. Names hold nothing but letters, digits and . _ - ; the name in the file is `stored_name`.
        Networks are `Functional` or `Sequential`, and their layers a list under `config.layers` in both. Whatever no Keras wrote is
        left as it is, for those to complain who build it.
    """
    return channels_last(_modern(_decoded(entry)))


def _decoded(value: Any) -> Any:
    """A value with lists for the tuples, shapes and lists that Keras 2 wrote with their class."""
    if isinstance(value, Mapping):
        kind = value.get("class_name")
        if kind in ("__tuple__", "TensorShape", "ListWrapper") and isinstance(value.get("items"), list):
            return [_decoded(part) for part in value["items"]]
        return "Ellipsis" if kind == "__ellipsis__" else {key: _decoded(part) for key, part in value.items()}
    return [_decoded(part) for part in value] if isinstance(value, list | tuple) else value


def _modern(entry: Mapping[str, Any]) -> dict[str, Any]:
    stored = str(entry.get("class_name", ""))
    kind = _CLASSES.get(stored, stored)
    config = entry.get("config")
    if isinstance(config, list):  # Sequential before Keras 2.3
        config = {"layers": config}
    if not isinstance(config, Mapping):
        return dict(entry)
    name = config.get("name") or entry.get("name")
    result = {**entry, "class_name": kind, "stored_name": name, "stored_class": stored}
    if isinstance(config.get("layers"), list):
        result["config"] = _network(kind, config)
        if name:
            result["config"]["name"] = plain_name(str(name))
    elif kind in OPERATIONS or entry.get("_own"):
        result["config"] = {**config, "name": plain_name(str(name))}
    else:
        kind, settings = _layer(kind, dict(config))
        result |= {"class_name": kind, "config": settings}
        if name:
            settings["name"] = plain_name(str(name))
    if result.get("name"):
        result["name"] = plain_name(str(result["name"]))
    return result


def plain_name(name: str) -> str:
    """A name that Keras 3 and TensorFlow take: others than letters, digits and . _ - become _."""
    name = _ODD.sub("_", name)
    return name if name[:1].isalnum() or not name else f"layer{name}"


def _network(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    layers = [_modern(layer) if isinstance(layer, Mapping) else layer for layer in config["layers"]]
    names = _distinct([_name_of(layer) for layer in config["layers"]], layers)
    result = {**config, "layers": layers}
    for layer, old in zip(layers, config["layers"], strict=True):
        if isinstance(layer, dict) and "inbound_nodes" in layer:
            layer["inbound_nodes"] = _renamed(old["inbound_nodes"], names)
    for key in ("input_layers", "output_layers"):
        if key in config:
            result[key] = _renamed(config[key], names)
    return result


def _name_of(layer: Any) -> str:
    inner = layer.get("config") if isinstance(layer, Mapping) else None
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return str((layer.get("name") if isinstance(layer, Mapping) else None) or name or "")


def _distinct(stored: Sequence[str], layers: Sequence[Any]) -> dict[str, str]:
    """Name in the file -> new name, different ones for different layers; set in the layers."""
    names: dict[str, str] = {}
    for old, layer in zip(stored, layers, strict=True):
        if not old or not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
            continue
        new, number = names.get(old, plain_name(old)), 1
        while old not in names and new in names.values():
            new, number = f"{plain_name(old)}_{number}", number + 1
        names[old] = layer["config"]["name"] = new
        if "name" in layer:
            layer["name"] = new
    return names


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """References to layers by their new names: lists that begin with a name and two numbers, wherever they are."""
    if isinstance(value, list):
        if is_reference(value, names):
            return [names[value[0]], *value[1:3], *(_renamed(part, names) for part in value[3:])]
        return [_renamed(part, names) for part in value]
    if isinstance(value, dict):
        return {key: _renamed(part, names) for key, part in value.items()}
    return value


def is_reference(value: Any, names: Mapping[str, Any]) -> bool:
    """Whether a value stands for a tensor of a network: [layer, number of its call, number of its output, ...]."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(isinstance(number, int) for number in value[1:3])
    )


def known_lambda(entry: Mapping[str, Any]) -> float | None:
    """The factor of a Lambda that keras.applications put into InceptionResNetV2: x + factor * y; None of every other Lambda.

    Its code is not run: it is known by the name of the layer, its arguments, and the file that its author wrote it in.
    """
    config = entry.get("config")
    if entry.get("class_name") != "Lambda" or not isinstance(config, Mapping):
        return None
    function, arguments = config.get("function"), config.get("arguments")
    if not re.fullmatch(r"block(35|17|8)_\d+", str(config.get("name"))) or not isinstance(arguments, Mapping):
        return None
    scale, code = arguments.get("scale"), function[0] if isinstance(function, list) and function else None
    if set(arguments) != {"scale"} or not isinstance(scale, int | float) or not isinstance(code, str):
        return None
    try:
        text = base64.b64decode("".join(code.split()), validate=True)
    except ValueError:
        text = code.encode("utf-8", "replace")  # Keras before 2.1
    return float(scale) if b"inception_resnet_v2.py" in text else None


def _layer(kind: str, config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Class and settings of a layer in Keras 3."""
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if (scale := known_lambda({"class_name": kind, "config": config})) is not None:
        return "CustomScaleLayer", {"name": config["name"], "scale": scale}
    settings = {_RENAMED.get(key, key): value for key, value in config.items() if not _TRAINING_ONLY.fullmatch(key)}
    if kind == "Embedding":  # what of other layers is an old name, or is left to their input, is the size of its table
        settings |= {key: config.get(key) for key in ("input_dim", "output_dim")}
        settings.pop("units", None)
    if kind == "InputLayer":
        return kind, {"name": config.get("name"), "batch_shape": shape, "dtype": config.get("dtype")}
    if shape:
        settings["batch_shape"] = shape
    settings.pop("dtype", None)
    for key in ("activation", "recurrent_activation"):
        if key in settings:
            settings[key] = _activation(settings[key])
    settings["data_format"] = {"tf": "channels_last", "th": "channels_first"}.get(
        settings.get("data_format"),  # type: ignore[arg-type]
        settings.get("data_format"),
    )
    if settings["data_format"] is None:
        del settings["data_format"]
    if kind == "Merge":
        kind = _MERGES.get(str(settings.get("mode")), f"Merge (mode {settings.get('mode')})")
        axis = settings.get("concat_axis", -1)
        settings = {"name": config.get("name"), **({"axis": axis} if kind == "Concatenate" else {})}
    for step in (_old_kernel, _old_dropout, _slopes, _axes):
        step(kind, settings)
    if kind == "Dense" and "units" not in settings:
        settings["units"] = config.get("output_dim")
    if kind == "ThresholdedReLU":
        return "ReLU", {"name": config.get("name"), "threshold": _number(settings.get("theta", 1.0))}
    inner = settings.get("layer")
    if isinstance(inner, Mapping):
        settings["layer"] = _modern(inner)
    return kind, settings


def _old_kernel(kind: str, settings: dict[str, Any]) -> None:
    if "nb_row" in settings:
        settings["kernel_size"] = [settings.pop("nb_row"), settings.pop("nb_col")]
    if kind in ("DepthwiseConv2D", "SeparableConv2D"):
        settings.pop("groups", None)  # Keras 2 wrote it, a 1, of every convolution
    if kind == "DepthwiseConv2D":
        settings.pop("filters", None)
    if kind == "Conv2DTranspose":
        settings.pop("groups", None)
        settings.pop("output_shape", None)
    if kind == "ZeroPadding2D" and isinstance(settings.get("padding"), list) and len(settings["padding"]) == 4:
        top, bottom, left, right = settings["padding"]
        settings["padding"] = [[top, bottom], [left, right]]


def _old_dropout(kind: str, settings: dict[str, Any]) -> None:
    if "Dropout" in kind and "p" in settings:
        settings["rate"] = settings.pop("p")
    if kind == "GaussianNoise" and "sigma" in settings:
        settings["stddev"] = settings.pop("sigma")


def _slopes(kind: str, settings: dict[str, Any]) -> None:
    if kind == "LeakyReLU":
        settings["negative_slope"] = _number(settings.pop("alpha", settings.pop("negative_slope", 0.3)))
    if kind in ("ReLU", "ELU"):
        for key in ("max_value", "negative_slope", "threshold", "alpha"):
            if key in settings:
                settings[key] = _number(settings[key])


def _axes(kind: str, settings: dict[str, Any]) -> None:
    axis = settings.get("axis")
    if kind == "BatchNormalization":
        settings.pop("renorm", None)
        settings.pop("mode", None)
        if isinstance(axis, list) and len(axis) == 1:
            settings["axis"] = axis[0]


def _number(value: Any) -> Any:
    """A number; of arrays that Keras 2 wrote as {"type": "ndarray", "value": ...}, their value."""
    return value.get("value", value) if isinstance(value, Mapping) else value


def _activation(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = value.get("config")
        name = inner if isinstance(inner, str) else value.get("registered_name") or value.get("class_name")
        if value.get("class_name") == "function" or isinstance(inner, str):
            return _activation(name)
        return value
    return _ACTIVATIONS.get(value, value) if isinstance(value, str) else value


def layers_in(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every layer of a config, nested ones and the networks themselves too."""
    yield entry
    config = entry.get("config")
    if isinstance(config, Mapping):
        inner = config.get("layers")
        for layer in inner if isinstance(inner, list) else [config.get("layer"), config.get("backbone")]:
            if isinstance(layer, Mapping):
                yield from layers_in(layer)
