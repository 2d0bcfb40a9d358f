"""A live session is a guest's house: what the library needs of Keras is set for as long as it works, and set back."""

import contextlib
import logging
import random
from collections.abc import Iterator

import numpy as np

from convscope.errors import UserError


@contextlib.contextmanager
def keras_as_needed() -> Iterator[None]:
    """Keras in float32, colours last, as in every job of the workflow; afterwards everything is as the user had it.

    That is Keras's floating type, dtype policy, order of axes and epsilon, and the states of the random numbers of Python and NumPy:
    a layer that is copied draws from them, and what the user builds next would begin with other weights. TensorFlow does not warn
    meanwhile that each call traces functions of its own.

    Raises:
        UserError: Keras does not run on TensorFlow in this session.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on {keras.backend.backend()} here and the methods need TensorFlow; set the environment variable "
            "KERAS_BACKEND=tensorflow, or import convscope before keras"
        )
    config = keras.config
    kept = config.floatx(), config.dtype_policy(), config.image_data_format(), config.epsilon()
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (the user's generator, not ours)
    logger = logging.getLogger("tensorflow")
    level = logger.level
    from convscope.models.keras_settings import apply

    apply()
    logger.setLevel(max(level, logging.ERROR))
    try:
        yield
    finally:
        config.set_floatx(kept[0])
        config.set_dtype_policy(kept[1])
        config.set_image_data_format(kept[2])
        config.set_epsilon(kept[3])
        logger.setLevel(level)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
