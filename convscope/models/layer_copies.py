"""A layer's copy with all that the layer has come to be: its settings, its weights, and what it keeps beside them."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from convscope.errors import UserError
from convscope.models.layer_settings import another, settings_of
from convscope.models.precision import in_float32


def copied(operation: Any, name: str, *, linear: bool = False, exact: bool = False) -> Any:
    """A layer of the same class and settings, not built yet; `take_over` gives it the state once a call has built it.

    Args:
        operation: a layer, or an operation of `keras.ops`.
        name: of the copy.
        linear: without its activation.
        exact: computing in float32, and keeping its weights in it.

    Raises:
        UserError: it is a Lambda, or its settings do not say how to make another one.
    """
    try:
        config = settings_of(operation) | {"name": name}
        if linear:
            config["activation"] = "linear"
        if exact:
            config = in_float32(config)
        return another(operation, config)
    except Exception as error:
        if type(operation).__name__ == "Lambda":
            raise UserError(
                f"layer '{operation.name}' is a Lambda, whose code is not taken over; put a layer of Keras's in its place "
                "(Rescaling, say), or a class of your own"
            ) from error
        if type(operation).__module__.split(".")[0] in ("keras", "keras_hub"):
            raise
        raise UserError(
            f"layer '{operation.name}': no second one can be made of its settings ({_reason(error)}); let get_config of class "
            f"{type(operation).__name__} answer all that its __init__ takes"
        ) from error


def take_over(original: Any, copy: Any) -> None:
    """Give a built copy the weights of its original, and what layers derive of them or load with them.

    `Normalization` computes with a mean and a variance that it keeps beside its weights; a layer's own `load_own_variables` may
    keep what is no weight at all. Where the copy has lost its activation, that one's state stays behind.

    Raises:
        UserError: the copy is made of other parts than the original.
    """
    # A layer's own weights come before those of an activation that it has inside, a PReLU.
    weights = original.get_weights()[: len(copy.weights)]
    pairs = list(_pairs(original, copy))
    try:
        copy.set_weights(weights)
        derived = [_load(old, new) for old, new in pairs]
        if any(derived):
            copy.set_weights(weights)  # what was loaded may have been changed on the way
        for old, new in pairs:
            if callable(getattr(new, "finalize_state", None)):
                new.finalize_state()
            if isinstance(old, keras.layers.Normalization):
                _take_over_statistics(old, new)
    except ValueError as error:
        raise _unlike(original, _reason(error)) from error


def _take_over_statistics(original: Any, copy: Any) -> None:
    """What a `Normalization` computes with, where that is not what its weights say.

    `model.set_weights` changes the weights alone; what is used stays what it was until the layer is adapted, or saved and loaded.
    """
    if original.input_mean is not None or original.mean is None:
        return
    for used, own, kept in (("mean", "adapt_mean", copy.mean), ("variance", "adapt_variance", copy.variance)):
        value = np.asarray(keras.ops.cast(getattr(original, used), "float32"))
        if not np.array_equal(value, np.asarray(keras.ops.cast(kept, original.compute_dtype), np.float32)):
            getattr(copy, own).assign(value.reshape(getattr(copy, own).shape))
    copy.finalize_state()


def _load(original: Any, copy: Any) -> bool:
    """Hand over what a layer of another way of saving keeps; whether it is one."""
    if type(copy).load_own_variables is keras.layers.Layer.load_own_variables:
        return False
    store: dict[str, Any] = {}
    original.save_own_variables(store)
    if store:
        copy.load_own_variables(store)
    return True


def _pairs(original: Any, copy: Any) -> Iterator[tuple[Any, Any]]:
    """A layer and its copy, then the layers inside them, side by side."""
    yield original, copy
    inside, counterparts = original._layers, copy._layers
    if len(inside) > len(counterparts):  # the activation, which the copy may have no more
        inside = [layer for layer in inside if layer is not getattr(original, "activation", None)]
    if len(inside) != len(counterparts):
        raise _unlike(original, f"{len(counterparts)} layers inside it for {len(inside)}")
    for old, new in zip(inside, counterparts, strict=True):
        yield from _pairs(old, new)


def _unlike(original: Any, reason: str) -> UserError:
    return UserError(
        f"layer '{original.name}': another one made of its settings is made of other parts ({reason}); let get_config of class "
        f"{type(original).__name__} answer all that it is made of"
    )


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
