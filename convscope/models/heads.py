"""What a network's outputs mean: which kind of head they are, and the names of its classes."""

from collections.abc import Mapping
from typing import Any

import keras

from convscope.errors import UserError
from convscope.models import presets


def head_and_classes(
    name: str, settings: Mapping[str, Any], flat: keras.Model, activation: str, has_head: bool
) -> tuple[str, tuple[str, ...]]:
    given = tuple(settings.get("classes") or ())
    shape = flat.outputs[0].shape
    if not has_head or len(shape) != 2:
        if given:
            raise UserError(f"models.{name}.classes: the network has no classification head, so leave the classes out")
        return "none", ()
    units = int(shape[-1])
    if activation == "sigmoid" and units > 1:
        raise UserError(
            f"models.{name}: {units} sigmoid outputs (several labels an image) are not supported; use softmax"
        )
    count = max(units, 2)
    if given and len(given) != count:
        raise UserError(f"models.{name}.classes has {len(given)} names, but the network tells {count} classes apart")
    if len(set(given)) < len(given):
        raise UserError(f"models.{name}.classes: every class needs a name of its own")
    names = given or (presets.imagenet_classes() if count == 1000 else tuple(f"class_{i}" for i in range(count)))
    return ("binary" if units == 1 else "multiclass"), names
