"""Convscope: see what a convolutional network has learned.

A library of pure functions on arrays and models. It knows nothing of Snakemake and invents no paths. In a notebook, on a live
Keras model: `convscope.explain`, `convscope.activations`, `convscope.filter_patterns`, and while it learns `convscope.Watch`
(docs/notebook.md).
"""

import importlib
import os

# Keras reads this once, at its first import; the explanation methods use TensorFlow's gradient tape, whatever the user has for others.
os.environ["KERAS_BACKEND"] = "tensorflow"
# What the core of TensorFlow prints (graphics drivers that are not there) buries a log's own lines; its errors are raised anyway.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__all__ = ["Watch", "activations", "explain", "filter_patterns"]


def __getattr__(name: str) -> object:
    """What is meant for notebooks, when it is first asked for: nothing heavy is imported before."""
    if name not in __all__:
        raise AttributeError(f"module 'convscope' has no attribute '{name}'")
    # By name and not by an import statement: no script's code digest shall follow what people type in a notebook.
    if name == "activations":  # the package of that name, which can be called
        return importlib.import_module("convscope.activations")
    if name == "Watch":
        return importlib.import_module("convscope.watching.callback").Watch
    return getattr(importlib.import_module("convscope.notebook"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
