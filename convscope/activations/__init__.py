"""What every layer answers to a set of images. Called, the package is the notebook's function: `notebook.activations`."""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Activations(ModuleType):
    """A package that can be called: imported, it stands where `convscope.activations` is a function to people in a notebook."""

    def __call__(self, model: Any, images: Any, layer: Any, **settings: Any) -> Any:
        """What a layer of a live Keras model answers to images; see `convscope.notebook.activations`."""
        return importlib.import_module("convscope.notebook").activations(model, images, layer, **settings)


sys.modules[__name__].__class__ = _Activations
