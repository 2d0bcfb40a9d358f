"""Keras as this library takes it: float32, colours last, whatever the user's ~/.keras/keras.json says.

That file is read at Keras's first import and is part of no result's identity. Imported by every module that makes or loads networks.
"""

import keras

keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
keras.config.set_image_data_format("channels_last")
keras.config.set_epsilon(1e-7)
