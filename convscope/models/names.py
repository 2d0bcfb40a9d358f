"""Which convolution and pooling layers a model of the config will have, known before it is trained or downloaded.

No TensorFlow here: the workflow asks this while it plans.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.models.json_text import value_of
from convscope.models.keras2 import modern
from convscope.models.settings import image_size
from convscope.models.stored import stored_or_none
from convscope.storage.places import is_file

# The 41-layer Xception (Chollet, 1610.02357): filters of each block's convolutions, and which blocks halve the size.
XCEPTION_FILTERS: tuple[tuple[int, ...], ...] = (
    (32, 64),
    (128, 128),
    (256, 256),
    (728, 728),
    *((728, 728, 728),) * 8,
    (728, 1024),
    (1536, 2048),
)
XCEPTION_POOLING = tuple(block in (2, 3, 4, 13) for block in range(1, 15))
CONVNET_FILTERS = (32, 64, 128, 256, 512)
MINI_XCEPTION_FILTERS = (32, 64, 128, 256, 512)
RETAIL_FILTERS = (16, 32, 64, 128)
ENCODER_FILTERS = (64, 128, 256)
# The smallest side of a picture that each architecture takes, pixels.
SMALLEST = {
    "convnet": 78,
    **dict.fromkeys(("plain", "residual", "batch_norm", "separable", "mini_xception", "xception"), 32),
    **dict.fromkeys(("retail", "encoder_decoder"), 16),
}
# Why what is made of a picture's class cannot be made of them.
NO_CLASS_OF_THE_PICTURE = (
    "answers a class for every pixel, none for the picture; what it sees, and why, is told by segmentation:"
)
# The architectures that answer a class for every pixel, and by how much they make a picture smaller inside.
OF_PIXELS = {"encoder_decoder": 2 ** len(ENCODER_FILTERS)}


@dataclasses.dataclass(frozen=True)
class MiniXception:
    """Which of mini-Xception's three ideas a network of its form has."""

    residual: bool = False
    batch_norm: bool = False
    separable: bool = False

    @property
    def convolution(self) -> str:
        """What the layers of its blocks are called, without their number."""
        return "sepconv" if self.separable else "conv"


# Architecture -> what it has: a study of the five changes one thing at a time.
MINI_XCEPTIONS = {
    "plain": MiniXception(),
    "residual": MiniXception(residual=True),
    "batch_norm": MiniXception(batch_norm=True),
    "separable": MiniXception(separable=True),
    "mini_xception": MiniXception(residual=True, batch_norm=True, separable=True),
}
CONV_TYPES = ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose")
# A larger convolution or pooling may take the whole of a map.
_SMALL = 3
# Layers whose output has the shape of (each of) their inputs, or at least their rank.
_SHAPELESS = (
    "Activation",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "BatchNormalization",
    "Dropout",
    "SpatialDropout2D",
    "Add",
    "Concatenate",
)
POOL_TYPES = ("MaxPooling2D", "AveragePooling2D")
_XCEPTION_PRESETS = ("xception_41_imagenet",)
# What the config of a network has that says its layers.
_SAYS_LAYERS = {"layers", "backbone", "stackwise_conv_filters"}
_BLOCK = re.compile(r"^(conv\d+_block\d+|(?:block|stage|group|layer)_?\d+[a-z]?)(?=_|$)")


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution or pooling layer: name, block, role ("conv", "shortcut", "pool"), filters (0 where unknown)."""

    name: str
    block: str
    role: str
    filters: int


def scaled(filters: int, width: float) -> int:
    """Number of filters at a width factor: rounded, at least 16.

    TensorFlow 2.21 on x86 writes outside its memory in the backward pass of a strided 1x1 convolution of 8 channels
    or fewer.
    """
    return max(16, round(filters * width))


def xception_filters(width: float) -> list[list[int]]:
    """Filters of the blocks of an Xception at a width factor.

    Where rounding makes a block that halves the size as wide as the one before, it gets 8 filters more: keras-hub's
    backbone puts a strided shortcut only where the number of filters changes.
    """
    result: list[list[int]] = []
    before = 0
    for number, (block, pool) in enumerate(zip(XCEPTION_FILTERS, XCEPTION_POOLING, strict=True), start=1):
        filters = [scaled(wanted, width) for wanted in block]
        if pool and filters[-1] <= before:
            filters = [before + 8] * len(block)
        elif not pool and 1 < number < len(XCEPTION_FILTERS):
            filters = [before] * len(block)
        result.append(filters)
        before = filters[-1]
    return result


def block_of(name: str) -> str:
    """The block that a layer's name tells (`block3` of `block3_sepconv1`), or an empty string."""
    found = _BLOCK.match(name)
    return found[1] if found else ""


def layers_of(settings: Mapping[str, Any]) -> list[Layer] | None:
    """Convolution and pooling layers of a model by its part of the config, shallow to deep.

    Returns:
        None where that cannot be known before the model is there (a download, a class of its own, a missing file).
    """
    source = settings.get("source")
    if source == "train":
        return _trained(str(settings["architecture"]), float(settings["width"]))
    if source == "preset":
        return _preset(str(settings["preset"]), settings.get("folder"))
    if source == "file" and settings.get("output") is None:
        return _file(Path(settings["path"]))
    return None


def too_small(settings: Mapping[str, Any]) -> str:
    """Why pictures of a model's size are too small for the architecture that it is trained in; "" where they are not."""
    architecture, size = str(settings["architecture"]), min(image_size(settings["image_size"]))
    smallest = SMALLEST.get(architecture, 1)
    if size >= smallest:
        return ""
    return f"image_size is {size}, too small for architecture {architecture}; at least {smallest} pixels are needed"


def layer_names(settings: Mapping[str, Any]) -> list[str] | None:
    """Names of the layers of `layers_of`, or None."""
    known = layers_of(settings)
    return None if known is None else [layer.name for layer in known]


def _trained(architecture: str, width: float) -> list[Layer] | None:
    if architecture == "convnet":
        result = []
        for number, base in enumerate(CONVNET_FILTERS, start=1):
            filters = scaled(base, width)
            result.append(Layer(f"conv{number}", f"stage{number}", "conv", filters))
            if number < len(CONVNET_FILTERS):
                result.append(Layer(f"pool{number}", f"stage{number + 1}", "pool", filters))
        return result
    if architecture == "retail":
        result = []
        for number, base in enumerate(RETAIL_FILTERS, start=1):
            filters = scaled(base, width)
            result.append(Layer(f"conv{number}", f"stage{number}", "conv", filters))
            result.append(Layer(f"pool{number}", f"stage{number + 1}", "pool", filters))
        return result
    if architecture in MINI_XCEPTIONS:
        has = MINI_XCEPTIONS[architecture]
        result = [Layer("stem_conv", "stage1", "conv", scaled(32, width))]
        for number, base in enumerate(MINI_XCEPTION_FILTERS, start=1):
            block, filters = f"block{number}", scaled(base, width)
            result += [Layer(f"{block}_{has.convolution}{i}", block, "conv", filters) for i in (1, 2)]
            result += [Layer(f"{block}_residual_conv", block, "shortcut", filters)] * has.residual
            result.append(Layer(f"{block}_pool", block, "pool", filters))
        return result
    if architecture == "xception":
        return xception_layers(xception_filters(width), XCEPTION_POOLING)
    if architecture == "encoder_decoder":
        return _encoder_decoder(width)
    return None


def _encoder_decoder(width: float) -> list[Layer]:
    """The layers of a network of pixels but its last, whose number of filters is that of the classes."""
    blocks = [(number, scaled(base, width)) for number, base in enumerate(ENCODER_FILTERS, start=1)]
    down = [
        Layer(f"down{i}_{kind}", f"stage{i + 1}", "conv", filters)
        for i, filters in blocks
        for kind in ("strided", "conv")
    ]
    up = [
        Layer(f"up{i}_{kind}", f"stage{i + (kind == 'conv')}", "conv", filters)
        for i, filters in reversed(blocks)
        for kind in ("conv", "strided")
    ]
    return [*down, *up, Layer("predictions", "stage1", "conv", 0)]


def xception_layers(filters_of: Sequence[Sequence[int]], pooling: Sequence[bool]) -> list[Layer]:
    """Layers of a keras-hub `XceptionBackbone` with these filters (a list a block) and pooling blocks."""
    result: list[Layer] = []
    before = 0
    for number, (filters, pool) in enumerate(zip(filters_of, pooling, strict=True), start=1):
        block = f"block{number}"
        kind = "conv" if number == 1 else "sepconv"
        result += [Layer(f"{block}_{kind}{i}", block, "conv", n) for i, n in enumerate(filters, start=1)]
        if 1 < number < len(filters_of) and filters[-1] != before:
            result.append(Layer(f"{block}_residual_conv", block, "shortcut", filters[-1]))
        if pool:
            result.append(Layer(f"{block}_pool", block, "pool", filters[-1]))
        before = filters[-1]
    return result


def _preset(preset: str, folder: str | None) -> list[Layer] | None:
    for place in (Path(preset), *([Path(folder) / preset] if folder else [])):
        if is_file(place / "config.json"):
            return _from_config(read_json_config(place / "config.json") or {})
    if preset.rstrip("/").rpartition("/")[2] in _XCEPTION_PRESETS:
        return xception_layers(XCEPTION_FILTERS, XCEPTION_POOLING)
    return None


def _file(path: Path) -> list[Layer] | None:
    config = read_file_config(path)
    return None if config is None else _from_config(config)


def read_json_config(path: Path) -> dict[str, Any] | None:
    """A JSON object of a preset's folder; None where there is none, or it is damaged."""
    try:
        value = value_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_file_config(path: Path) -> dict[str, Any] | None:
    """The config of the network in a file or folder (`stored`), as Keras 3 calls things; None where there is none."""
    found = stored_or_none(path)
    if found is None or found.config is None:
        return None
    if not found.old:
        return found.config
    try:
        return modern(found.config)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # a config that no Keras wrote
        return None


def _from_config(config: Mapping[str, Any]) -> list[Layer] | None:
    kind, inner = config.get("class_name"), config.get("config")
    if kind not in ("Functional", "Sequential") and not (isinstance(inner, Mapping) and _SAYS_LAYERS & inner.keys()):
        return None  # of a class of somebody's own: what is in it only its code tells
    try:
        layers = list(_walk(config))
    except (_Unknown, AttributeError, KeyError, TypeError):  # the last three: a config that no Keras wrote
        return None
    # Layers of the same name are renamed when nested networks are opened; only the real graph tells how.
    return layers if len({layer.name for layer in layers}) == len(layers) else None


class _Unknown(Exception):
    pass


def _walk(entry: Mapping[str, Any]) -> Iterator[Layer]:
    kind, config = entry.get("class_name", ""), entry.get("config", {})
    if kind == "XceptionBackbone":
        yield from xception_layers(config["stackwise_conv_filters"], config["stackwise_pooling"])
    elif isinstance(config, list):  # Sequential as Keras 2 before 2.3 wrote it
        for inner in config:
            yield from _walk(inner)
    elif "layers" in config:
        for inner in config["layers"]:
            yield from _walk(inner)
    elif "backbone" in config:
        yield from _walk(config["backbone"])
    elif kind in CONV_TYPES or kind in POOL_TYPES:
        name = config["name"]
        shortcut = kind == "Conv2D" and ("residual" in name or "shortcut" in name)
        role = "pool" if kind in POOL_TYPES else "shortcut" if shortcut else "conv"
        yield Layer(name, block_of(name), role, int(config.get("filters") or 0))
    elif str(entry.get("registered_name") or "").startswith("keras_hub>"):
        raise _Unknown


def ends_in_maps(config: Mapping[str, Any]) -> bool:
    """Whether a model's config surely ends in feature maps, as a backbone does: in a convolution or pooling, or in layers that
    change no shape behind one."""
    try:
        return _ends_in_maps(config, None, set())
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError):
        return False


def _ends_in_maps(entry: Mapping[str, Any], name: str | None, seen: set[str], behind: bool = False) -> bool:
    """The same of one of a network's layers; of the one that gives its output where no name is given.

    A convolution over the whole of a small map, or a pooling, leaves one cell: a row of classes, as a dense layer would make of it.
    So does one of 1x1 behind such a one; `behind` is whether there is one of 1x1 already.
    """
    config = entry["config"]
    layers = config if isinstance(config, list) else config["layers"]
    by_name = {layer.get("name") or layer["config"]["name"]: layer for layer in layers}
    if name is None:
        last = layers[-1]
        name = _first_name(config["output_layers"], by_name) if "output_layers" in config else None
        name = name or last.get("name") or last["config"]["name"]
    layer = by_name[name]
    kind = layer["class_name"]
    if kind in CONV_TYPES or kind in POOL_TYPES:
        sides = layer["config"].get("kernel_size") or layer["config"].get("pool_size") or 3
        side = max(sides) if isinstance(sides, list) else sides
        if side != 1:
            return side <= _SMALL or layer["config"].get("padding") == "same"
        behind = True
    elif kind in ("ZeroPadding2D", "Cropping2D", "UpSampling2D"):
        return True
    if isinstance(layer["config"], list) or "layers" in layer["config"]:
        return _ends_in_maps(layer, None, set(), behind)
    if name in seen or (kind not in _SHAPELESS and kind not in CONV_TYPES):
        return behind and kind not in ("Reshape", "Dense") and not kind.startswith("Global")
    inbound = layer.get("inbound_nodes")
    before = _first_name(inbound, by_name) if inbound else list(by_name)[list(by_name).index(name) - 1]
    return before is not None and _ends_in_maps(entry, before, seen | {name}, behind)


def _first_name(value: Any, names: Mapping[str, Any]) -> str | None:
    """The first text within lists and mappings that is a layer's name."""
    if isinstance(value, str):
        return value if value in names else None
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return next((found for part in inner if (found := _first_name(part, names))), None)
