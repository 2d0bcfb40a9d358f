"""Methods made ready again for a new network: what randomisation, sensitivity and seeds ask for."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from convscope.attributions.base import heat
from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.registry import explainer
from convscope.cams.mapper import ClassMapper
from convscope.judging.methods import MakeExplainer
from convscope.models.gap_head import own_gap_head
from convscope.models.spec import ModelSpec


def explainers(
    method: str,
    network: keras.Model,
    spec: ModelSpec,
    settings: dict[str, Any],
    layer: str | None = None,
    background: np.ndarray | None = None,
    batch: int = 16,
    autoencoder: keras.Model | None = None,
) -> MakeExplainer | None:
    """What makes a method's explainer for a network and a seed, always from the start.

    Args:
        method: of the attributions or the class activation maps.
        network: the original model, asked only whether the method can be made anew.
        spec: of the model; randomised copies have the same.
        settings: the method's settings in the config.
        layer: the layer that carried the original maps.
        background: pictures in model space, for methods that need some.
        batch: images explained together.
        autoencoder: of pictures RGB 0..1, for contrastive explanations with such a term; it knows the pictures, not the model,
            and stays as it is.

    Returns:
        `make(network, seed)`; None for CAM with a head that was trained beside the model: it would stay as it is.
    """
    if method not in ATTRIBUTIONS and method == "cam" and own_gap_head(network, str(layer)) is None:
        return None

    def make(model: keras.Model, seed: int) -> Any:
        if method in ATTRIBUTIONS:
            ready = explainer(method, model, spec, settings, seed, layer, background, autoencoder)

            def explain(images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> np.ndarray:
                return heat(ready(images, targets, keys).maps, ready.signed)

        else:
            mapper = ClassMapper(model, spec, str(layer), [method], **settings)

            def explain(images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> np.ndarray:
                # The class explained is that of the original map: what the new model predicts is another question.
                return mapper(images, targets, "true").maps[method][:, 0]

        def batches(images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> np.ndarray:
            slices = [slice(start, start + batch) for start in range(0, len(images), batch)]
            return np.concatenate([explain(images[s], targets[s], keys[s]) for s in slices])

        return batches

    return make
