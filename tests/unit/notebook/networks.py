"""Small networks and pictures for the tests of the notebook's functions."""

from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image


def small(units: int = 3, activation: str | None = "softmax", size: int | None = 32, name: str = "net") -> keras.Model:
    """Two convolutions, global average pooling, a dense layer; weights of a fixed seed."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(name="pool1")(x)
    x = layers.Conv2D(8, 3, name="conv2")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu2")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(units, activation=activation, name="answer")(x), name=name)


def photos(folder: Path, count: int = 3) -> list[Path]:
    """Pictures of several shapes, none of them the network's."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(count):
        coarse = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
        paths.append(folder / f"photo {index}.png")
        Image.fromarray(coarse).resize((50 + 9 * index, 41)).save(paths[-1])
    return paths
