"""Convscope: see what a convolutional network has learned.

A library of pure functions on arrays and models. It knows nothing of Snakemake and invents no paths.
"""

import os

# Keras reads this once, at its first import; the explanation methods use TensorFlow's gradient tape, whatever the user has for others.
os.environ["KERAS_BACKEND"] = "tensorflow"
# What the core of TensorFlow prints (graphics drivers that are not there) buries a log's own lines; its errors are raised anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
