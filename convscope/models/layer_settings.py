"""The settings of a layer, as another one can be made of: what its `get_config` says, put right where its class takes other names."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import keras

# What every layer takes beside the names that its own `__init__` has.
_COMMON = ("name", "trainable", "dtype")
_PLAIN = (bool, int, float, str, type(None))


def settings_of(operation: Any) -> dict[str, Any]:
    """What `get_config` answers; of a class whose `get_config` fails, what its `__init__` takes and it has as plain attributes.

    Raises:
        Exception: whatever `get_config` of an operation that is no layer raises.
    """
    try:
        return dict(operation.get_config())
    except Exception:
        if not isinstance(operation, keras.Layer):
            raise
        common = {"name": operation.name, "trainable": operation.trainable, "dtype": operation.dtype_policy.name}
        return _complete(operation, common)


def another(operation: Any, config: Mapping[str, Any]) -> Any:
    """Another layer of the same class, made of settings.

    Some classes, of keras-hub too, answer settings that their `__init__` does not take, and leave out some that it does: such are
    dropped, and read off the layer's attributes of that name. What the new layer answers is what it was made of, so that a file
    that it is saved in can be read.

    Args:
        operation: a layer, or an operation of `keras.ops`.
        config: its `get_config()`, perhaps changed.

    Raises:
        Exception: whatever the class raises where its settings say too little.
    """
    kind = type(operation)
    if not isinstance(operation, keras.Layer) or kind.__module__.partition(".")[0] == "keras":
        return kind.from_config(dict(config))
    whole = _complete(operation, config)
    try:
        made = kind.from_config(dict(whole))
    except Exception:
        taken = _taken(operation)
        whole = {key: value for key, value in whole.items() if key in taken}
        made = kind.from_config(dict(whole))
    if not _answers(made, whole):
        made.get_config = functools.partial(dict, whole)
    return made


def _answers(made: Any, config: dict[str, Any]) -> bool:
    try:
        return bool(made.get_config() == config)
    except Exception:
        return False


def _taken(operation: Any) -> set[str]:
    """Names of the arguments that a layer's class takes."""
    parameters = inspect.signature(type(operation).__init__).parameters.values()
    return {each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)} | set(_COMMON)


def _complete(operation: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those that `get_config` leaves out, though the class has them as a plain attribute of the same name."""
    missing = {
        name: value
        for name in sorted(_taken(operation) - {"self", *_COMMON, *config})
        if not hasattr(keras.Layer, name) and _is_plain(value := getattr(operation, name, _PLAIN))
    }
    # A layer among the settings is the part that was made of one: the class's own default does for it.
    return {key: value for key, value in {**config, **missing}.items() if not isinstance(value, keras.Layer)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return value is not _PLAIN and all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
