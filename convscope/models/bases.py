"""Models that are made of another model of the study: which one, in the end, and what of it is known before it is there.

No TensorFlow here: the workflow asks this while it plans.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from convscope.errors import UserError, nearest
from convscope.models.names import OF_PIXELS, Layer, layers_of

_BEHIND_A_LAYER = re.compile("_(act|bn|(residual_)?add)$")

Models = Mapping[str, Mapping[str, Any]]


def chain(models: Models, name: str) -> list[str]:
    """A model, its base, the base's base ...: the last one is of another source than `transfer`.

    Raises:
        UserError: a base does not exist, or they go round in a circle.
    """
    found = [name]
    while models[found[-1]]["source"] == "transfer":
        last = found[-1]
        base = models[last]["base"]
        others = [other for other in models if other not in found]
        if base not in models:
            raise UserError(f"models.{last}.base: model '{base}' does not exist; {nearest(base, others)}")
        if base in found:
            way = " -> ".join([*found[found.index(base) :], base])
            raise UserError(f"models.{last}.base: {way} is a circle; name a model that does not need this one")
        found.append(base)
    return found


def known_layers(models: Models, name: str) -> list[Layer] | None:
    """The convolution and pooling layers of a model, shallow to deep, as `names.layers_of` knows them.

    Of one that has a base they are the base's, up to where that is cut. None where they cannot be known beforehand.
    """
    way = chain(models, name)
    known = layers_of(models[way[-1]])
    for made in reversed(way[:-1]):
        cut = models[made].get("layer")
        if known is not None and cut is not None:
            meant = [layer for layer in known if _is_of(cut, layer)]
            if meant and cut.endswith("_add"):  # the sum that ends a block
                meant = [layer for layer in known if layer.block == meant[-1].block]
            known = known[: known.index(meant[-1]) + 1] if meant else known
    return known


def _is_of(name: str, layer: Layer) -> bool:
    """Whether a name is that of a listed layer, of what stands right behind it, or of its block."""
    bare = _BEHIND_A_LAYER.sub("", name)
    return bare in (layer.name, layer.block) or layer.name == f"{bare}_conv"


def check_layers(key: str, wanted: str | Sequence[str], models: Models, name: str) -> None:
    """Check that a model has the layers or blocks that are wanted of it, as far as that is known.

    Raises:
        UserError: it has no such layer.
    """
    known = known_layers(models, name)
    if known is None or wanted in ("all", "last"):
        return
    blocks = {layer.block for layer in known}
    for layer in wanted:
        if layer not in blocks:
            _require(f"{key}.layers", layer, [entry.name for entry in known])


def check_map_layer(key: str, layer: str, models: Models, name: str) -> None:
    """The same of a layer that carries maps, which may be an activation or a sum, too: known of the project's own networks.

    Raises:
        UserError: there is no such layer.
    """
    known = known_layers(models, name) if models[chain(models, name)[-1]]["source"] in ("train", "preset") else None
    if known is None or layer.startswith("add"):
        return
    if not any(_is_of(layer, entry) for entry in known):
        _require(key, layer, [entry.name for entry in known])


def check_base(key: str, models: Models, name: str, classes: Sequence[str] | None) -> None:
    """Check what is said of a model that has a base: the base, where it is cut, what moves, and whether the output fits.

    Args:
        key: of the model's part of the config.
        models: all models of the study.
        name: the model.
        classes: of its dataset, where they are known.

    Raises:
        UserError: one of them cannot be.
    """
    model = models[name]
    base = chain(models, name)[1]
    if classes is not None and model.get("output") == "sigmoid" and len(classes) != 2:
        raise UserError(
            f"{key}.output: one sigmoid tells two classes apart, and datasets.{model['dataset']} has {len(classes)}; use softmax"
        )
    known = known_layers(models, base)
    if known == []:
        raise UserError(
            f"{key}.base: '{base}' has no convolution or pooling layer, so it is no backbone; name a convolutional model"
        )
    if "layer" not in model and models[base].get("architecture") in OF_PIXELS:
        raise UserError(
            f"{key}.base: '{base}' ends in a class for every pixel, so where it is cut must be said; name one of its layers: "
            f"{key}.layer"
        )
    if "layer" in model:
        check_map_layer(f"{key}.layer", model["layer"], models, base)
    if "fine_tune" in model:
        # Of layers that are there: behind the cut nothing is left to move.
        check_map_layer(f"{key}.fine_tune.from", model["fine_tune"]["from"], models, name)


def _require(key: str, layer: str, names: Sequence[str]) -> None:
    if layer not in names:
        raise UserError(f"{key}: layer '{layer}' does not exist; {nearest(layer, names)}")
