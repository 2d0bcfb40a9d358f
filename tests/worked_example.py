"""The network that can be worked out by hand, in what it answers and in every gradient."""

import keras
import numpy as np


def worked_example() -> keras.Model:
    """The small network whose every gradient can be worked out by hand: input arange(16), every output 54."""
    image = keras.Input((4, 4, 1))
    maps = keras.layers.Conv2D(2, 3, name="conv")(image)
    active = keras.layers.ReLU(name="relu")(maps)
    flat = keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(active))
    model = keras.Model(image, keras.layers.ReLU()(keras.layers.Dense(4, name="dense")(flat)))
    model.get_layer("conv").set_weights([np.ones((3, 3, 1, 2)), np.array([-50.0, -75.0])])
    kernel = np.concatenate([np.ones((5, 4)), -np.ones((3, 4))])
    model.get_layer("dense").set_weights([kernel, np.zeros(4)])
    return model
