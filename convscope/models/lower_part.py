"""The lower part of a network, as fast as the backend has it."""

from collections.abc import Callable
from typing import Any

import keras

from convscope.backends.running import NAME


def lower_part(model: keras.Model, sources: list[Any], fold: bool = True) -> Callable[[Any], list[Any]]:
    """A function that computes tensors of a network in inference mode.

    Args:
        model: a flat functional network.
        sources: tensors of its graph.
        fold: whether batch norms may be folded into convolutions, which TensorFlow is faster with; later changes of the weights are
            not seen then. The compilers of others do not need it.

    Returns:
        `images -> list of tensors`, (N, H, W, C) in model space.
    """
    if fold and NAME == "tensorflow":
        from convscope.models.folding import folded

        return folded(model, sources)
    part = keras.Model(model.inputs[0], sources)
    # Keras hands out a lone output bare.
    return lambda images: list(keras.tree.flatten(part(images, training=False)))
