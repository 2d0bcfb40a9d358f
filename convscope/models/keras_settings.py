"""Keras as this library takes it: float32, colours last, whatever the user's ~/.keras/keras.json says, and right gradients.

That file is read at Keras's first import and is part of no result's identity. Imported by every module that makes or loads networks.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras.src.backend import image as _images
from keras.src.backend import nn as _operations

from convscope.backends.bicubic import of_keras
from convscope.backends.running import NAME

if NAME == "tensorflow":
    import convscope.backends.tensorflow_repairs
else:
    _images.resize = of_keras(_images.resize)
if NAME == "torch":
    import convscope.backends.torch_repairs  # noqa: F401


def apply() -> None:
    """Set what this library counts on; it is done once at import, and again where somebody may have set it otherwise since."""
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)


apply()


def _of_enough_places(pool: Callable[..., Any]) -> Callable[..., Any]:
    """Adaptive pooling that refuses to make more places than there are: of windows without a place TensorFlow ends the process."""

    @functools.wraps(pool)
    def checked(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
        first = 2 if data_format == "channels_first" else 1
        places = tuple(inputs.shape[first : first + len(inputs.shape) - 2])
        wanted = (output_size,) * len(places) if isinstance(output_size, int) else tuple(output_size)
        if any(here is not None and here < asked for here, asked in zip(places, wanted, strict=True)):
            raise ValueError(
                f"maps of {'x'.join(map(str, places))} places cannot be pooled to {'x'.join(map(str, wanted))}"
            )
        return pool(inputs, output_size, data_format)

    return checked


for _name in ("adaptive_average_pool", "adaptive_max_pool"):
    setattr(_operations, _name, _of_enough_places(getattr(_operations, _name)))
