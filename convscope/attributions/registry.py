"""Attribution methods by name, ready for a model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from convscope.attributions.base import Explainer
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.names import METHODS as NAMES
from convscope.errors import UserError, nearest
from convscope.model_spec import ModelSpec

Factory = Callable[["Context"], Explainer]


class Context:
    """What a method may use to get ready.

    Attributes:
        network: model space -> logits.
        spec: the model's classes, head and preprocessing.
        scores: the network as class scores.
        settings: the method's settings, complete.
        seed: of everything random.
        layer: the layer whose feature maps carry a map; None: the last.
        background: (M, H, W, 3) float32 in model space, pictures of the same image set; None where there are none.
    """

    def __init__(
        self,
        network: keras.Model,
        spec: ModelSpec,
        settings: dict[str, Any],
        seed: int = 0,
        layer: str | None = None,
        background: np.ndarray | None = None,
    ) -> None:
        self.network, self.spec, self.settings, self.seed = network, spec, settings, seed
        self.layer, self.background = layer, background
        self.scores = ClassScores(network, spec)


def explainer(
    method: str,
    network: keras.Model,
    spec: ModelSpec,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    layer: str | None = None,
    background: np.ndarray | None = None,
) -> Explainer:
    """An attribution method made ready for a model (see `Context` for the arguments).

    Args:
        method: a name of `METHODS`.
        settings: those that differ from the method's defaults.

    Raises:
        UserError: unknown method or setting, a model without a classifier, a method that cannot explain this model.
    """
    if method not in METHODS:
        raise UserError(f"attribution method '{method}' does not exist; {nearest(method, METHODS)}")
    defaults = NAMES[method].settings if method in NAMES else {}
    for name in settings or {}:
        if name not in defaults:
            raise UserError(f"{method}: unknown setting '{name}'; {nearest(name, defaults)}")
    return METHODS[method](Context(network, spec, {**defaults, **(settings or {})}, seed, layer, background))


METHODS: dict[str, Factory] = {}
