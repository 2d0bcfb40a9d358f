"""A file of the user's own layers: imported as a module of its own, and networks of its classes traced into graphs of layers.

Later jobs load the network from any working directory and need the same code: its text travels in the model's spec.
"""

import hashlib
import importlib.abc
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError
from convscope.models.nodes import graph_of

PREFIX = "convscope_code_"
_MOST_BYTES = 1_000_000
_OBJECTS = "__convscope_objects__"


def text_of(path: Path) -> str:
    """The text of a Python file.

    Raises:
        UserError: it is not there, too large, or no text.
    """
    try:
        content = path.read_bytes()
        if len(content) > _MOST_BYTES:
            raise UserError(f"code: '{path}' is larger than a file of layers can be; name the Python file")
        return content.decode("utf-8")
    except OSError as error:
        raise UserError(f"code: '{path}' cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"code: '{path}' is no text in UTF-8; name a Python file") from None


class _Loader(importlib.abc.SourceLoader):
    """Loads a module from its text."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name

    def get_filename(self, fullname: str) -> str:
        return self.name

    def get_data(self, path: Any) -> bytes:
        return self.text.encode()


def module_of(text: str, name: str = "code") -> ModuleType:
    """The module of a text; the same text is imported once.

    Args:
        text: Python.
        name: what the file is called, for people.

    Raises:
        UserError: it cannot be imported.
    """
    called = PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16]
    if called in sys.modules:
        return sys.modules[called]
    loader = _Loader(text, name)
    spec = importlib.util.spec_from_loader(called, loader)
    assert spec is not None  # noqa: S101
    module = sys.modules[called] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[called]
        reason = (str(error).strip().splitlines() or [""])[0][:150]
        advice = "; put all that it needs into the one file, or install it" if isinstance(error, ImportError) else ""
        raise UserError(f"code: '{name}' cannot be imported: {type(error).__name__}: {reason}{advice}") from None
    return module


def objects(module: ModuleType) -> dict[str, Any]:
    """Its classes and functions, by their names and by those that its author registered them under at Keras.

    At Keras they are registered anew, under names that tell this text from others: in one process, two models may come with codes that
    call different things alike.
    """
    if not hasattr(module, _OBJECTS):
        found: dict[str, Any] = {}
        for name, value in list(vars(module).items()):
            if getattr(value, "__module__", None) == module.__name__ and (
                inspect.isclass(value) or inspect.isfunction(value)
            ):
                found |= {name: value, keras.saving.get_registered_name(value): value}
        for value in dict.fromkeys(found.values()):
            if inspect.isfunction(value) or hasattr(value, "get_config"):
                keras.saving.register_keras_serializable(package=module.__name__, name=value.__name__)(value)
        setattr(module, _OBJECTS, found)
    return dict(getattr(module, _OBJECTS))


def own_objects(text: str, name: str = "code") -> dict[str, Any]:
    """The classes and functions of a text; {} of an empty one."""
    return objects(module_of(text, name)) if text else {}


def traced(network: keras.Model, own: Mapping[str, Any], shape: Any, where: str) -> keras.Model:
    """A network of the user's own class as a graph of layers: what its `call` does with a picture, once, in inference.

    Args:
        network: any; one that is a graph already is returned.
        own: the user's classes and functions.
        shape: (height, width, channels) of a picture; None where nothing says it.
        where: what it was loaded from, for people.

    Returns:
        A functional network of the same layers.

    Raises:
        UserError: its class is not the user's, or its `call` does what Keras cannot trace.
    """
    if graph_of(network) is not None or type(network) not in own.values():
        return network
    kind = type(network).__name__
    if shape is None:
        raise UserError(
            f"'{where}': its class {kind} does not say what size of pictures it takes; set image_size: [height, width]"
        )
    image = keras.Input(shape)
    try:
        result = call_inside(network, image, own)
        return keras.Model(image, result, name=network.name)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
        raise UserError(
            f"'{where}': the call of the class {kind} cannot be traced into layers ({reason}); use layers and keras.ops alone in it"
        ) from None


def call_inside(network: Any, image: Any, own: Mapping[str, Any]) -> Any:
    """What a network's `call` makes of a symbolic picture; networks of the user's classes within are opened too."""
    kinds: list[Any] = [
        kind for kind in dict.fromkeys(own.values()) if inspect.isclass(kind) and issubclass(kind, keras.Model)
    ]
    before: dict[Any, Any] = {kind: kind.__dict__.get("__call__") for kind in kinds}

    def opened(self: Any, *args: Any, **kwargs: Any) -> Any:
        if graph_of(self) is not None:
            return super(type(self), self).__call__(*args, **kwargs)
        if "training" in inspect.signature(self.call).parameters:
            kwargs["training"] = False
        return self.call(*args, **kwargs)

    try:
        for kind in kinds:
            kind.__call__ = opened
        return opened(network, image)
    finally:
        for kind, call in before.items():
            if call is None:
                del kind.__call__
            else:
                kind.__call__ = call
