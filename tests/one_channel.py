"""A network that takes gray, and the same network taking RGB: its first kernel repeated, a third for each colour.

On a gray picture both say the same. Of every answer that is known for the one that of the other is known: a colour's gradient is a
third of gray's, their sum is gray's.
"""

import keras
import numpy as np
from keras import layers

from convscope.models.spec import ModelSpec

SIDE = 24
FACTS = {"classes": ("a", "b", "c"), "head": "multiclass"}
SCALED = {"scale": (1 / 127.5,), "offset": (-1.0,)}
GRAY = ModelSpec("gray", (SIDE, SIDE), channels="gray", **SCALED, **FACTS)
COLOUR = ModelSpec("colour", (SIDE, SIDE), **SCALED, **FACTS)


def network(depth: int, side: int = SIDE) -> keras.Model:
    """A small classifier of so many channels: always the same weights but for the first kernel's."""
    keras.utils.set_random_seed(3)
    image = keras.Input((side, side, depth))
    x = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu", name="first")(image)
    x = layers.Conv2D(6, 3, activation="relu", name="second")(x)
    return keras.Model(image, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D()(x)))


def pair() -> tuple[keras.Model, keras.Model]:
    """The gray network and its twin in colour."""
    gray, colour = network(1), network(3)
    for layer in gray.layers:
        kernel, *rest = layer.get_weights() or [None]
        if kernel is None:
            continue
        wide = np.repeat(kernel, 3, axis=2) / 3 if layer.name == "first" else kernel
        colour.get_layer(layer.name).set_weights([wide, *rest])
    return gray, colour


def pixels(count: int = 2, seed: int = 0) -> np.ndarray:
    """Gray pictures with forms in them, (N, SIDE, SIDE, 1) uint8."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 6, 6, 1)).astype(np.uint8)
    return coarse.repeat(SIDE // 6, axis=1).repeat(SIDE // 6, axis=2)
